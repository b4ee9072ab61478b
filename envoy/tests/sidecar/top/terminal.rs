//! The command `top` in a terminal: what it draws, its keys, and how it stops, continues and ends.

use super::{called, request, upstream, url};
use crate::support::{LONGEST, free_port, launcher, signal, until};
use nix::fcntl::OFlag;
use nix::pty::{Winsize, grantpt, openpty, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{LocalFlags, tcgetattr};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;

/// The command in a terminal, and the terminal's screen.
struct InTerminal {
    child: Started,
    keys: File,
    screen: Arc<Mutex<vt100::Parser>>,
}

/// The sequence that begins the alternate screen.
const ALTERNATE_SCREEN: &str = "\x1b[?1049h";
const LINES: u16 = 20;
const COLUMNS: u16 = 100;

impl InTerminal {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let size = Winsize { ws_row: LINES, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).unwrap();
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        let mut command: Command = launcher(&variables);
        // A group of its own, as a shell with job control gives it.
        command.process_group(0);
        let inside = || File::from(pair.slave.try_clone().unwrap());
        let child =
            command.arg("top").args(arguments).stdin(inside()).stdout(inside()).stderr(inside()).spawn().unwrap();
        // The command keeps the inner side open in this process.
        drop(command);
        let keys = File::from(pair.master);
        let [lines, columns] = [LINES, COLUMNS].map(|number| NonZero::new(number).unwrap());
        let screen = Arc::new(Mutex::new(vt100::Parser::new(lines, columns, 0)));
        let (mut output, shown) = (keys.try_clone().unwrap(), Arc::clone(&screen));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                shown.lock().unwrap().process(&buffer[..length]);
            }
        });
        Self { child: Started(child), keys, screen }
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn shows(&self, text: &str) {
        until(&format!("the terminal shows {text:?}"), || self.text().contains(text));
    }

    /// Whether the first letter of a text is red. `None` if the text is not shown: the screen may be half drawn.
    fn is_red(&self, text: &str) -> Option<bool> {
        let terminal = self.screen.lock().unwrap();
        let screen = terminal.screen();
        let lines: Vec<_> = screen.rows(0, COLUMNS).collect();
        let row = lines.iter().position(|line| line.contains(text))?;
        let column = lines[row].find(text)?;
        Some(screen.cell(row as u16, column as u16)?.fgcolor() == vt100::Color::Idx(1))
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// The exit status, once the command ended by itself.
    fn ended(&mut self) -> Option<i32> {
        let status = self.child.ended();
        self.is_as_before();
        status
    }

    fn is_as_before(&self) {
        until("the terminal is as before", || {
            let terminal = self.screen.lock().unwrap();
            !terminal.screen().alternate_screen() && !terminal.screen().hide_cursor()
        });
        let modes = tcgetattr(&self.keys).unwrap().local_flags;
        assert!(modes.contains(LocalFlags::ICANON | LocalFlags::ECHO), "{modes:?}");
    }

    fn is_stopped(&self) {
        let stat = format!("/proc/{}/stat", self.child.0.id());
        until("the command is stopped", || fs::read_to_string(&stat).unwrap().contains(") T "));
        self.is_as_before();
    }
}

/// A process that ends with the test at the latest.
struct Started(Child);

impl Started {
    /// The exit status, once the process ended by itself.
    fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        until(&format!("the command ends within {LONGEST:?}"), || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn terminal_shows_the_table_its_help_and_what_fails_now() {
    let upstream = upstream();
    let sidecar = called(&upstream, 2, 0);
    let mut terminal = InTerminal::start(&[&url(&sidecar)], &[]);
    terminal.shows("good");
    terminal.shows("weather: reachable");
    request(&sidecar, "tools/call", "bad");
    terminal.shows("1 of 1 calls of bad failed in the last");
    until("only what fails is red", || {
        ["1 of 1 calls", "weather  bad", "weather  good"].map(|text| terminal.is_red(text))
            == [Some(true), Some(true), Some(false)]
    });
    terminal.press("?");
    terminal.shows("page up");
    terminal.press("?s");
    terminal.shows("sort (rate)");
    terminal.press("q");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn terminal_without_colour_shows_that_the_sidecar_is_gone() {
    let upstream = upstream();
    let sidecar = called(&upstream, 1, 0);
    let mut terminal = InTerminal::start(&[&url(&sidecar)], &[("NO_COLOR", "1")]);
    terminal.shows("good");
    drop(sidecar);
    terminal.shows("metrics: does not answer");
    // Its totals stay.
    terminal.shows("good");
    until("nothing is red", || terminal.is_red("metrics: does not answer") == Some(false));
    signal(terminal.child.0.id(), "TERM");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn control_z_and_sigtstp_stop_the_command_until_it_is_continued() {
    let upstream = upstream();
    let sidecar = called(&upstream, 1, 0);
    let mut terminal = InTerminal::start(&[&url(&sidecar)], &[]);
    terminal.shows("good");
    terminal.press("s");
    terminal.shows("sort (rate)");
    for is_key in [true, false] {
        let id = terminal.child.0.id();
        if is_key {
            terminal.press("\x1a");
        } else {
            signal(id, "TSTP");
        }
        terminal.is_stopped();
        assert!(!terminal.text().contains("good"), "{}", terminal.text());
        signal(id, "CONT");
        terminal.shows("good");
        terminal.shows("sort (rate)");
        assert!(terminal.screen.lock().unwrap().screen().alternate_screen());
    }
    terminal.press("q");
    assert_eq!(terminal.ended(), Some(0));
}

/// A shell's SIGSTOP cannot be caught. Whatever it did with the terminal, the table comes back.
#[test]
fn table_comes_back_after_a_stop_that_was_not_noticed() {
    let upstream = upstream();
    let sidecar = called(&upstream, 1, 0);
    let mut terminal = InTerminal::start(&[&url(&sidecar)], &[]);
    terminal.shows("good");
    let id = terminal.child.0.id();
    signal(id, "STOP");
    until("the command is stopped", || fs::read_to_string(format!("/proc/{id}/stat")).unwrap().contains(") T "));
    terminal.screen.lock().unwrap().process(b"\x1b[?1049l");
    signal(id, "CONT");
    until("the table is shown", || {
        terminal.screen.lock().unwrap().screen().alternate_screen() && terminal.text().contains("good")
    });
    terminal.press("q");
    assert_eq!(terminal.ended(), Some(0));
}

/// A terminal that no other process of the tests inherits: with a copy of its outer end it would not be closed.
fn own_terminal() -> (File, File) {
    let outer = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
    grantpt(&outer).unwrap();
    unlockpt(&outer).unwrap();
    let name = ptsname_r(&outer).unwrap();
    let inner = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(name).unwrap();
    (OwnedFd::from(outer).into(), inner)
}

/// The terminal does not control the command's session, so there is no SIGHUP.
#[test]
fn closed_terminal_ends_the_command() {
    let (mut outer, inner) = own_terminal();
    let mut command = launcher(&HashMap::new());
    let [input, output] = [(); 2].map(|()| inner.try_clone().unwrap());
    let url = format!("http://127.0.0.1:{}", free_port());
    let mut child = Started(command.args(["top", &url]).stdin(input).stdout(output).stderr(inner).spawn().unwrap());
    // The command keeps the inner side open in this process.
    drop(command);
    let (mut written, mut buffer) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&written).contains(ALTERNATE_SCREEN) {
        let length = outer.read(&mut buffer).unwrap();
        written.extend_from_slice(&buffer[..length]);
    }
    drop(outer);
    assert_eq!(child.ended(), Some(0));
}
