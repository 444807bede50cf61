//! `evenkeel top`: what the proxy does at this moment, in a terminal. The overview of all services, each service with its backends, each backend
//! with its events; and what an operator does about them.
//!
//! ```text
//!   keys ─────────▶ keys ──▶ model ──▶ view ──▶ terminal
//!   admin address ─▶ client ───▲  │
//!        ▲                        └──▶ act, what to ask for
//!        └────────────────────────────────┘
//! ```
//!
//! `model`, `keys` and `view` are pure. The client asks on a thread of its own, so that a key is obeyed at once however slow the answers are.

mod act;
pub mod api;
mod client;
mod columns;
mod document;
mod format;
mod keys;
mod model;
mod report;
mod standing;
mod table;
mod terminal;
#[cfg(test)]
mod testing;
mod tone;
mod trend;
mod view;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, SystemTime};

use self::act::Act;
use self::api::AdminApi;
use self::client::Client;
use self::model::{Effect, Model, Now};
use self::report::Report;
use self::terminal::{Input, Screen};
use self::view::Theme;
use crate::clock::Moment;

/// How often the picture is drawn when nothing happens, because the times in it grow.
const TICK: Duration = Duration::from_secs(1);

/// The rows of a screen that belong to no table, more or less: by so many fewer than the screen has a page goes on.
const BESIDE_TABLES: usize = 12;

/// How it is shown.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The admin address, for people.
    pub place: String,
    /// How often it is asked.
    pub interval: Duration,
    /// Whether there are colours.
    pub has_colours: bool,
}

/// Shows what an admin address tells until somebody quits.
///
/// # Errors
///
/// The terminal can't be used, or the client has ended.
pub fn run(api: Arc<dyn AdminApi>, settings: Settings) -> io::Result<()> {
    let (tell, inputs) = mpsc::channel();
    let theme = Theme::new(settings.has_colours);
    let mut model = Model::new(settings.place, settings.interval);
    let mut screen = Screen::open()?;
    terminal::listen(&tell)?;
    let reports = tell.clone();
    let asked = Arc::clone(&api);
    let client = Client::start(asked, settings.interval, move |report| reports.send(Input::Report(report)).is_ok())?;
    let mut watch = model.watch();
    loop {
        let now = Now { moment: Moment::now(), wall: SystemTime::now() };
        screen.draw(|buffer, area| view::draw(buffer, area, &model, &theme, now))?;
        model.page = screen.height().saturating_sub(BESIDE_TABLES);
        let first = match inputs.recv_timeout(TICK) {
            Ok(input) => Some(input),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        // what has come meanwhile makes one picture: keys that are held down are not drawn one by one
        for input in first.into_iter().chain(inputs.try_iter()) {
            let now = Now { moment: Moment::now(), wall: SystemTime::now() };
            match take(&mut model, input, now) {
                Next::Go => {}
                Next::Ask => client.watch(model.watch()),
                Next::Act(act, reason) => carry_out(Arc::clone(&api), act, reason, &tell)?,
                Next::Quit => return Ok(()),
            }
        }
        if client.has_ended() {
            return Err(io::Error::other("nothing is asked any more: a defect has ended the thread that asks"));
        }
        if watch != model.watch() {
            watch = model.watch();
            client.watch(watch.clone());
        }
    }
}

/// What is to be done after an input.
enum Next {
    Go,
    /// Something has been changed: what comes of it is to be asked at once.
    Ask,
    Act(Act, String),
    Quit,
}

fn take(model: &mut Model, input: Input, now: Now) -> Next {
    match input {
        Input::Redraw => Next::Go,
        Input::Stop => Next::Quit,
        Input::Report(report) => {
            let is_done = matches!(report, Report::Done(_));
            model.hear(report, now);
            if is_done { Next::Ask } else { Next::Go }
        }
        Input::Key(key) => match keys::action(key, model.is_typing()).and_then(|action| model.press(action, now)) {
            None => Next::Go,
            Some(Effect::Quit) => Next::Quit,
            Some(Effect::Act(act, reason)) => Next::Act(act, reason),
        },
    }
}

/// Carries an act out on a thread of its own, which ends with the answer.
fn carry_out(api: Arc<dyn AdminApi>, act: Act, reason: String, tell: &Sender<Input>) -> io::Result<()> {
    let tell = tell.clone();
    thread::Builder::new().name("top-act".to_owned()).spawn(move || {
        let outcome = act.carry_out(&*api, &reason);
        // nobody listens when the view has quit meanwhile
        let _ = tell.send(Input::Report(Report::Done(outcome)));
    })?;
    Ok(())
}
