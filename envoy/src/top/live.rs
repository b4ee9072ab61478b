//! The loop of the live table: a thread per URL gets a page every two seconds, and this thread shows them and reads keys.

use super::fetch::Source;
use super::figures::Figures;
use super::job::Job;
use super::recent::{Activity, Recent};
use super::screen::{Screen, Wish};
use super::text::counted;
use super::{TopOptions, View};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::process;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two pages of a URL. The filter's figures are at most a second old.
const INTERVAL: Duration = Duration::from_secs(2);
/// Longest wait for a key, so that new pages and signals are noticed.
const TICK: Duration = Duration::from_millis(200);

/// A page of a URL, by the URL's position.
type Page = (usize, Result<Figures, String>);

/// Shows the table until a key or a signal ends it.
///
/// # Errors
///
/// The terminal cannot be used.
pub(super) fn run(sources: &[Source], options: &TopOptions) -> io::Result<()> {
    let job = Job::new()?;
    exit_with_the_terminal();
    let pages = get_pages(sources);
    let result = in_terminal(&pages, &job, Urls::new(sources), options);
    // The thread that ends the process may be later than the error of a write to the terminal that is gone.
    if hung_up(PollTimeout::ZERO) { Ok(()) } else { result }
}

/// Why the table is not shown any more.
enum Pause {
    End,
    /// The command stops.
    Stop,
    /// The command was stopped while the table was shown.
    Again,
}

/// Shows the table, and restores the terminal, also for the time that the command is stopped.
fn in_terminal(pages: &Receiver<Page>, job: &Job, mut urls: Urls, options: &TopOptions) -> io::Result<()> {
    let has_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut screen = Screen::new(urls.title(), options.sort, has_colour);
    loop {
        let mut terminal = ratatui::try_init()?;
        let pause = show(&mut terminal, &mut screen, pages, job, &mut urls, options);
        let restored = ratatui::try_restore();
        // It shows the cursor.
        drop(terminal);
        match pause.and_then(|pause| restored.map(|()| pause))? {
            Pause::End => return Ok(()),
            Pause::Stop => job.stop()?,
            Pause::Again => {}
        }
    }
}

/// Ends the process when its terminal is gone, whether SIGHUP comes or not. There is no terminal to restore then, and the read of a
/// key, which gets no byte, would never return.
fn exit_with_the_terminal() {
    thread::spawn(|| {
        hung_up(PollTimeout::NONE);
        process::exit(0);
    });
}

/// Waits until the terminal is gone, at most as long as `limit`; whether it is.
fn hung_up(limit: PollTimeout) -> bool {
    let (input, output) = (io::stdin(), io::stdout());
    // Without flags, a hang-up is awaited.
    let mut ends = vec![PollFd::new(output.as_fd(), PollFlags::empty())];
    if input.is_terminal() {
        ends.push(PollFd::new(input.as_fd(), PollFlags::empty()));
    }
    loop {
        match poll(&mut ends, limit) {
            Err(Errno::EINTR) => {}
            found => return found.is_ok_and(|count| count > 0),
        }
    }
}

/// Starts the threads that get pages. They end with the process.
fn get_pages(sources: &[Source]) -> Receiver<Page> {
    let (sender, pages) = mpsc::channel();
    for (position, source) in sources.iter().cloned().enumerate() {
        let sender = sender.clone();
        thread::spawn(move || {
            while sender.send((position, source.get().map(|page| Figures::read(&page)))).is_ok() {
                thread::sleep(INTERVAL);
            }
        });
    }
    pages
}

fn show(
    terminal: &mut DefaultTerminal,
    screen: &mut Screen,
    pages: &Receiver<Page>,
    job: &Job,
    urls: &mut Urls,
    options: &TopOptions,
) -> io::Result<Pause> {
    while !job.is_ended() {
        if job.is_stopped() {
            return Ok(Pause::Stop);
        }
        if job.is_continued() {
            return Ok(Pause::Again);
        }
        for (position, page) in pages.try_iter() {
            urls.take(Instant::now(), position, page);
        }
        screen.view = urls.view(Instant::now()).filtered(options.server.as_deref());
        terminal.draw(|frame| screen.draw(frame))?;
        let wish = if event::poll(TICK)? { screen.handle(&event::read()?) } else { None };
        match wish {
            Some(Wish::End) => break,
            Some(Wish::Stop) if Job::can_stop() => return Ok(Pause::Stop),
            Some(Wish::Stop) | None => {}
        }
    }
    Ok(Pause::End)
}

/// What is known of each URL.
pub(super) struct Urls(Vec<UrlState>);

struct UrlState {
    url: String,
    recent: Recent,
    /// Why the last request failed.
    problem: Option<String>,
}

// === impl Urls ===

impl Urls {
    pub(super) fn new(sources: &[Source]) -> Self {
        let state = |source: &Source| UrlState { url: source.shown(), recent: Recent::default(), problem: None };
        Self(sources.iter().map(state).collect())
    }

    fn title(&self) -> String {
        match self.0.as_slice() {
            [one] => one.url.clone(),
            all => counted(all.len() as f64, "URL"),
        }
    }

    pub(super) fn take(&mut self, now: Instant, position: usize, page: Result<Figures, String>) {
        let Some(state) = self.0.get_mut(position) else { return };
        state.problem = match page {
            Ok(figures) => {
                state.recent.add(now, figures);
                None
            }
            Err(problem) => Some(problem),
        };
    }

    /// The sum of all URLs. One that does not answer any more keeps its totals, and its problem says from when they are.
    pub(super) fn view(&self, now: Instant) -> View {
        let mut view = View::default();
        let mut activity = Activity::default();
        for state in &self.0 {
            let last = state.recent.last();
            if let Some((_, figures)) = last {
                view.pages += 1;
                view.figures.add(figures);
            }
            match (&state.problem, last) {
                (Some(problem), Some((then, _))) => {
                    let age = now.duration_since(*then).as_secs();
                    view.problems.push(format!("{problem} (its figures are {age} s old)"));
                }
                (Some(problem), None) => view.problems.push(problem.clone()),
                (None, _) => activity.add(now, &state.recent),
            }
        }
        view.activity = Some(activity);
        view
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, UrlState, Urls};
    use crate::top::recent::Recent;
    use std::time::{Duration, Instant};

    fn calls(number: u32) -> Figures {
        Figures::read(&format!("mcp_tool_calls_total{{server_name=\"w\",status=\"ok\",tool_name=\"t\"}} {number}\n"))
    }

    fn urls(number: usize) -> Urls {
        let state = |_| UrlState { url: "http://w/metrics".to_owned(), recent: Recent::default(), problem: None };
        Urls((0..number).map(state).collect())
    }

    #[test]
    fn urls_are_added_up() {
        let (mut urls, begin) = (urls(2), Instant::now());
        let end = begin + Duration::from_secs(2);
        for position in 0..2 {
            urls.take(begin, position, Ok(calls(10)));
            urls.take(end, position, Ok(calls(14)));
        }
        let view = urls.view(end);
        assert_eq!(view.figures.tools.values().map(|tool| tool.calls.total()).collect::<Vec<_>>(), [28.0]);
        assert_eq!(view.activity.unwrap().rates.values().collect::<Vec<_>>(), [&4.0]);
        assert_eq!((view.pages, view.problems.len()), (2, 0));
    }

    #[test]
    fn url_that_is_gone_keeps_its_totals_and_has_no_rate() {
        let (mut urls, begin) = (urls(1), Instant::now());
        urls.take(begin, 0, Ok(calls(10)));
        urls.take(begin + Duration::from_secs(2), 0, Ok(calls(14)));
        urls.take(begin + Duration::from_secs(4), 0, Err("gone".to_owned()));
        let view = urls.view(begin + Duration::from_secs(5));
        assert_eq!(view.problems, ["gone (its figures are 3 s old)"]);
        assert_eq!(view.figures.tools.values().map(|tool| tool.calls.total()).collect::<Vec<_>>(), [14.0]);
        assert!(view.activity.unwrap().rates.is_empty());
        urls.take(begin + Duration::from_secs(6), 0, Ok(calls(1)));
        let view = urls.view(begin + Duration::from_secs(6));
        assert_eq!(view.activity.unwrap().tools.values().map(|calls| calls.total()).collect::<Vec<_>>(), [5.0]);
        assert!(view.problems.is_empty());
    }
}
