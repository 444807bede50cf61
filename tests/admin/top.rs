//! `evenkeel top` in a real terminal, which `script` (of Debian's bsdutils) makes.

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{Origin, Proxy, wait_until};

const EVENKEEL: &str = env!("CARGO_BIN_EXE_evenkeel");
const ROWS: NonZero<u16> = NonZero::new(24).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(80).unwrap();

/// `evenkeel top` that runs in a terminal of 80 x 24.
struct Top {
    script: Child,
    keys: ChildStdin,
    /// The terminal's screen.
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Top {
    fn of(proxy: &Proxy) -> Self {
        let command = format!(
            "stty cols {COLUMNS} rows {ROWS}; exec {EVENKEEL} top --interval 200ms --admin http://{}",
            proxy.admin_address()
        );
        let mut script = Command::new("script");
        script.args(["-qfec", &command, "/dev/null"]).env("TERM", "xterm-256color").env_remove("NO_COLOR");
        let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (keys, mut out) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let screen = Arc::new(Mutex::new(vt100::Parser::new(ROWS, COLUMNS, 0)));
        let shared = Arc::clone(&screen);
        thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(read @ 1..) = out.read(&mut some) {
                shared.lock().unwrap().process(&some[..read]);
            }
        });
        Self { script, keys, screen }
    }

    /// Waits until this stands on the screen.
    fn shows(&self, text: &str) {
        wait_until(&format!("{text:?} is shown"), || self.screen.lock().unwrap().screen().contents().contains(text));
    }

    /// Whether it draws on the terminal's other screen, which leaves what stood there before as it was.
    fn has_the_terminal(&self) -> bool {
        self.screen.lock().unwrap().screen().alternate_screen()
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        _ = self.script.kill();
        _ = self.script.wait();
    }
}

/// A service `api` with the backends `alpha` and `beta`.
fn pair() -> ([Origin; 2], Proxy) {
    let origins = [Origin::ok(), Origin::ok()];
    let backend =
        |(origin, id): (&Origin, &str)| crate::support::backend(origin.address()) + &format!("id = \"{id}\"\n");
    let backends: String = origins.iter().zip(["alpha", "beta"]).map(backend).collect();
    let proxy = Proxy::start(&(crate::support::config("", "", &[]) + &backends));
    (origins, proxy)
}

#[test]
fn without_a_terminal_it_says_what_shows_the_same() {
    let done = Command::new(EVENKEEL).arg("top").output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!((done.status.code(), said.contains("`evenkeel status`")), (Some(1), true), "{said}");
    assert!(done.stdout.is_empty());
}

#[test]
fn it_shows_services_and_their_backends_drains_one_and_gives_the_terminal_back() {
    let (_origins, proxy) = pair();
    let mut top = Top::of(&proxy);
    top.shows("api");
    top.press("\r");
    top.shows("beta");
    top.press("d");
    top.shows("Reason (optional)");
    top.press("a new disk\r");
    wait_until("it is drained", || proxy.status()["services"]["api"]["backends"][0]["state"] == "draining");
    let reason = proxy.status()["services"]["api"]["backends"][0]["reason"].clone();
    assert!(reason.as_str().unwrap().starts_with("a new disk"), "{reason}");
    assert!(top.has_the_terminal());
    top.press("\u{3}");
    wait_until("the terminal is given back", || !top.has_the_terminal());
    assert!(top.script.wait().unwrap().success());
}

#[test]
fn it_says_that_the_proxy_is_gone_and_goes_on_when_it_is_back() {
    let (_origins, mut proxy) = pair();
    let mut top = Top::of(&proxy);
    top.shows("api");
    proxy.signal("KILL");
    top.shows("refused");
    proxy.kill_and_start();
    top.press("\r");
    top.shows("alpha");
}
