//! The screen of the live table: a title, words, the table, and the keys. It is drawn again from the latest view each time.

use super::View;
use super::rows::{Column, rows};
use super::table::Table;
use super::text::{cut, wrap};
use super::words;
use ratatui::Frame;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;

/// The table keeps at least so many lines, and the words are cut.
const FEWEST_ROWS: usize = 5;
const HELP: [&str; 9] = [
    "up, down, page up, page down, home, end: scroll",
    "s: sort by the next column    ?: this help    q: quit",
    "",
    "Calls, errors, p50, p95 and sizes are since Envoy started; rates are of the last minute.",
    "p50, p95: the duration under which half and 95 % of the calls stay.",
    "mean result: size of the answer to a call. definition: size of the tool in tools/list,",
    "which each conversation of a model pays for.",
    "Errors are failures of the tool, the server or the caller. Cancelled calls are calls, not errors.",
    "A red tool failed in the last minute.",
];

/// What a key asks for, other than what the screen does itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    End,
    Stop,
}

/// What the screen shows, and how.
pub(super) struct Screen {
    pub(super) view: View,
    title: String,
    order: Column,
    /// The first row that is shown.
    first: usize,
    /// Rows that were shown.
    shown: usize,
    is_help: bool,
    has_colour: bool,
}

// === impl Screen ===

impl Screen {
    pub(super) fn new(title: String, order: Column, has_colour: bool) -> Self {
        Self { view: View::default(), title, order, first: 0, shown: 0, is_help: false, has_colour }
    }

    /// Handles a key.
    pub(super) fn handle(&mut self, event: &Event) -> Option<Wish> {
        let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event else { return None };
        if *kind == KeyEventKind::Release {
            return None;
        }
        let page = self.shown.max(1);
        match code {
            // The terminal makes no signals of these keys while it is in raw mode.
            KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => return Some(Wish::End),
            KeyCode::Char('z') if modifiers.contains(KeyModifiers::CONTROL) => return Some(Wish::Stop),
            KeyCode::Char('q') => return Some(Wish::End),
            KeyCode::Esc if !self.is_help => return Some(Wish::End),
            KeyCode::Esc => self.is_help = false,
            KeyCode::Char('?' | 'h') => self.is_help = !self.is_help,
            KeyCode::Char('s') => self.order = self.order.next(),
            KeyCode::Up | KeyCode::Char('k') => self.first = self.first.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.first = self.first.saturating_add(1),
            KeyCode::PageUp => self.first = self.first.saturating_sub(page),
            KeyCode::PageDown => self.first = self.first.saturating_add(page),
            KeyCode::Home => self.first = 0,
            KeyCode::End => self.first = usize::MAX,
            _ => {}
        }
        None
    }

    /// Draws everything.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        let title = format!("mcp-sidecar top  {}", self.title);
        let mut lines = vec![Line::styled(cut(&title, width), Modifier::BOLD)];
        let body = height.saturating_sub(2);
        lines.extend(if self.is_help { help(width) } else { self.body(width, body) });
        lines.truncate(body + 1);
        lines.resize(body + 1, Line::default());
        lines.push(Line::styled(cut(&self.keys(), width), Modifier::DIM));
        // The last line is that of the keys, also on a screen of one line.
        lines.drain(..lines.len().saturating_sub(height));
        let rows = area.rows();
        for (line, row) in lines.into_iter().zip(rows) {
            frame.render_widget(line, row);
        }
    }

    fn keys(&self) -> String {
        format!("q quit  s sort ({})  arrows scroll  ? help", self.order.head())
    }

    /// The words and the table, in so many lines.
    fn body(&mut self, width: usize, height: usize) -> Vec<Line<'static>> {
        let alarm = self.alarm();
        let words = words::lines(&self.view).into_iter().flat_map(|line| {
            let style = if line.is_alarm { alarm } else { Style::new() };
            wrap(&line.text, width).into_iter().map(move |part| Line::styled(part, style))
        });
        let mut lines: Vec<_> = words.collect();
        lines.truncate(height.saturating_sub(FEWEST_ROWS + 2));
        let table = Table::fit(rows(&self.view, self.order), width, true);
        let all = table.lines().len();
        if all == 0 {
            return lines;
        }
        lines.extend([Line::default(), Line::styled(table.header(), Modifier::BOLD | Modifier::UNDERLINED)]);
        self.shown = height.saturating_sub(lines.len());
        self.first = self.first.min(all.saturating_sub(self.shown));
        let shown = table.lines().skip(self.first).take(self.shown);
        lines.extend(shown.map(|(row, line)| Line::styled(line, if row.fails_now { alarm } else { Style::new() })));
        lines
    }

    /// The style of what is wrong: bold, and red where there is colour.
    fn alarm(&self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.has_colour { style.fg(Color::Red) } else { style }
    }
}

fn help(width: usize) -> Vec<Line<'static>> {
    let lines = HELP.iter().flat_map(|line| wrap(line, width));
    [Line::default()].into_iter().chain(lines.map(Line::raw)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Screen, Wish};
    use crate::top::View;
    use crate::top::figures::Figures;
    use crate::top::rows::Column;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
    use ratatui::style::Color;

    /// A screen of twenty tools, `t01` to `t20`.
    fn screen(has_colour: bool) -> Screen {
        let tool = |number: usize| {
            format!(
                "mcp_filter_info 1\nmcp_tool_calls_total{{server_name=\"w\",status=\"ok\",tool_name=\"t{number:02}\"}} {number}\n"
            )
        };
        let page: String = (1..=20).map(tool).collect();
        let mut screen = Screen::new("http://w:9902/metrics".to_owned(), Column::Tool, has_colour);
        screen.view = View {
            figures: Figures::read(&page),
            pages: 1,
            problems: vec!["http://v: does not answer".to_owned()],
            ..View::default()
        };
        screen
    }

    fn terminal(width: u16, height: u16) -> Terminal<TestBackend> {
        Terminal::new(TestBackend::new(width, height)).unwrap()
    }

    fn lines(screen: &mut Screen, width: u16, height: u16) -> Vec<String> {
        let mut terminal = terminal(width, height);
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        let cells = terminal.backend().buffer().content().chunks(width.into());
        cells.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()).collect()
    }

    fn press(screen: &mut Screen, code: KeyCode) -> Option<Wish> {
        screen.handle(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    #[test]
    fn title_words_table_and_keys_are_drawn() {
        let expected = [
            "mcp-sidecar top  http://w:9902/metrics",
            "http://v: does not answer",
            "",
            "tool  calls  rate  errors  error types  p50  p95",
            "t01       1     -       0                 -    -",
            "t02       2     -       0                 -    -",
            "t03       3     -       0                 -    -",
            "t04       4     -       0                 -    -",
            "t05       5     -       0                 -    -",
            "q quit  s sort (tool)  arrows scroll  ? help",
        ];
        assert_eq!(lines(&mut screen(true), 60, 10), expected);
    }

    #[test]
    fn rows_scroll_to_the_last_and_back() {
        let mut screen = screen(true);
        lines(&mut screen, 60, 10);
        press(&mut screen, KeyCode::Down);
        assert!(lines(&mut screen, 60, 10)[4].starts_with("t02"));
        press(&mut screen, KeyCode::PageDown);
        assert!(lines(&mut screen, 60, 10)[4].starts_with("t07"));
        press(&mut screen, KeyCode::End);
        press(&mut screen, KeyCode::Down);
        assert!(lines(&mut screen, 60, 10)[8].starts_with("t20"));
        press(&mut screen, KeyCode::Up);
        assert!(lines(&mut screen, 60, 10)[8].starts_with("t19"));
        press(&mut screen, KeyCode::Home);
        assert!(lines(&mut screen, 60, 10)[4].starts_with("t01"));
    }

    #[test]
    fn s_sorts_by_the_next_column() {
        let mut screen = screen(true);
        press(&mut screen, KeyCode::Char('s'));
        let lines = lines(&mut screen, 60, 10);
        assert!(lines[4].starts_with("t20") && lines[9].contains("sort (calls)"), "{lines:?}");
    }

    #[test]
    fn help_is_shown_and_closed() {
        let mut screen = screen(true);
        press(&mut screen, KeyCode::Char('?'));
        assert!(lines(&mut screen, 60, 20)[2].starts_with("up, down, page up"));
        assert_eq!(press(&mut screen, KeyCode::Esc), None);
        assert!(lines(&mut screen, 60, 20)[4].starts_with("t01"));
    }

    #[test]
    fn q_escape_and_control_c_end_and_control_z_stops() {
        assert_eq!(press(&mut screen(true), KeyCode::Char('q')), Some(Wish::End));
        assert_eq!(press(&mut screen(true), KeyCode::Esc), Some(Wish::End));
        for (letter, wish) in [('c', Wish::End), ('z', Wish::Stop)] {
            let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
            assert_eq!(screen(true).handle(&Event::Key(key)), Some(wish));
            assert_eq!(press(&mut screen(true), KeyCode::Char(letter)), None);
        }
    }

    #[test]
    fn alarm_is_red_only_with_colour() {
        for (has_colour, colour) in [(true, Color::Red), (false, Color::Reset)] {
            let mut terminal = terminal(60, 10);
            terminal.draw(|frame| screen(has_colour).draw(frame)).unwrap();
            assert_eq!(terminal.backend().buffer()[(0, 1)].fg, colour);
            assert_eq!(terminal.backend().buffer()[(0, 4)].fg, Color::Reset);
        }
    }

    #[test]
    fn any_size_of_the_terminal_is_drawn() {
        for (width, height) in [(1, 1), (3, 2), (20, 3), (10, 200), (300, 4), (40, 8)] {
            let lines = lines(&mut screen(true), width, height);
            assert!(
                "q quit  s sort (tool)".starts_with(lines.last().unwrap().trim_end_matches('…').get(..1).unwrap_or(""))
            );
        }
    }
}
