//! `evenkeel demo --trouble`: a fleet under load gets into trouble, and it is told in plain sentences what is done to it, and what Evenkeel
//! makes of that. What Evenkeel says is taken from its events, as its log and its admin address have them.

mod line;
mod load;
mod script;
mod story;
mod summary;
mod tally;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::process::{Signal, getpid, kill_process};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;
use tokio::time::{Instant, interval_at, sleep_until};

use super::fleet::Fleet;
use super::member::Member;
use super::restarts::Restarts;
use crate::clock::{Moment, rfc3339};
use crate::event::{Events, Subscription};
use line::{Line, Voice};
use load::{Load, RATE};
use script::{SCRIPT, TYPICAL};
use story::Story;
use tally::Counts;

/// How many backends there are.
const SIZE: usize = 5;

/// The name of the service.
const SERVICE: &str = "shop";

/// The time for which the times in this folder are meant; others are scaled.
const USUAL: Duration = Duration::from_secs(120);

/// Events that are read at once.
const BATCH: usize = 64;

/// How long it waits at the end for what is still under way: a backend that is ejected, a repair that is not proven yet.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it looks at the end whether that is over.
const LOOK: Duration = Duration::from_millis(100);

/// A fleet that is to get into trouble.
#[derive(Debug)]
pub struct Trouble {
    /// The backends.
    pub fleet: Fleet,
    /// How long it takes.
    length: Duration,
    restarts: SocketAddr,
    restarted: UnboundedReceiver<&'static str>,
}

/// Where it is told, and how.
pub struct Stage {
    /// Where the lines go.
    pub out: Box<dyn Write + Send>,
    /// Whether there are colours.
    pub has_colours: bool,
    /// The program's name as it was called, for the commands that are proposed.
    pub program: String,
    /// Whether it ends when the trouble is over.
    pub ends: bool,
}

/// The proxy in front of the fleet.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub web: SocketAddr,
    /// Its admin address.
    pub admin: SocketAddr,
    /// Its events.
    pub events: Arc<Events>,
}

impl Trouble {
    /// Starts a fleet whose trouble takes `length`.
    ///
    /// # Errors
    ///
    /// When a socket or the thread can't be made.
    pub fn start(length: Duration) -> io::Result<Self> {
        let (told, restarted) = unbounded_channel();
        let restarts = Restarts::new(scaled(Duration::from_secs(2), length), told)?;
        let address = restarts.address()?;
        let fleet = Fleet::start(SIZE, TYPICAL, Some(restarts))?;
        Ok(Self { fleet, length, restarts: address, restarted })
    }

    /// The `proxy.toml` in front of it.
    pub fn configuration(&self, listen: SocketAddr, admin: SocketAddr, state_dir: &Path) -> String {
        let state_dir = toml::Value::from(state_dir.to_string_lossy().into_owned());
        let eject_for = scaled(Duration::from_secs(5), self.length).as_millis().max(1_000);
        let mut text = format!(
            "[server]\nworkers = 1\nstate_dir = {state_dir}\ndrain_timeout = \"5s\"\n\n[admin]\nbind = \"{admin}\"\n\n\
             [log]\nlevel = \"off\"\n\n[[listener]]\nname = \"web\"\nbind = \"{listen}\"\nservice = \"{SERVICE}\"\n\n\
             [service.{SERVICE}]\nbalance = \"round_robin\"\n\n\
             [service.{SERVICE}.health]\npath = \"/health\"\ninterval = \"1s\"\n\n\
             [service.{SERVICE}.outlier]\neject_for = \"{eject_for}ms\"\n\n\
             [service.{SERVICE}.sla]\ntier = \"standard\"\nlatency = \"500ms\"\nrto = \"30s\"\n\n\
             [[service.{SERVICE}.recover]]\nstrategy = \"restart\"\non = [\"unresponsive\"]\nwebhook = \"http://{}/restart\"\n",
            self.restarts
        );
        for Member { name, address, .. } in &self.fleet.members {
            let _ = write!(text, "\n[[service.{SERVICE}.backend]]\nid = \"{name}\"\naddress = \"{address}\"\n");
        }
        text
    }

    /// Plays it on a thread of its own: the load, the script, and the story. The load goes on when the story is over, unless the process is to
    /// end then.
    ///
    /// # Errors
    ///
    /// When the thread can't be made.
    pub fn play(self, proxy: Proxy, stage: Stage) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("demo-trouble".to_owned()).spawn(move || {
            runtime.block_on(LocalSet::new().run_until(async {
                let load = Rc::new(Load::new(proxy.web, self.fleet.members.clone()));
                let running = tokio::task::spawn_local(Rc::clone(&load).run());
                let ends = stage.ends;
                Play::new(self, proxy, stage, load).run().await;
                if ends {
                    running.abort();
                    // as whoever stops it from outside does
                    let _ = kill_process(getpid(), Signal::TERM);
                }
                let _ = running.await;
            }));
        })?;
        Ok(())
    }
}

/// The story while it is told.
struct Play {
    trouble: Trouble,
    admin: SocketAddr,
    events: Subscription,
    stage: Stage,
    load: Rc<Load>,
    story: Story,
    /// When it began.
    start: Instant,
}

impl Play {
    fn new(trouble: Trouble, proxy: Proxy, stage: Stage, load: Rc<Load>) -> Self {
        let events = proxy.events.subscribe(None);
        let (story, start) = (Story::new(Moment::now()), Instant::now());
        Self { trouble, admin: proxy.admin, events, stage, load, story, start }
    }

    async fn run(mut self) {
        let length = self.trouble.length;
        let every = length / 12;
        let mut report = interval_at(self.start + every, every);
        let mut before = Counts::default();
        let mut steps = SCRIPT.iter().peekable();
        let mut end = self.start + length;
        self.say(Voice::Load, format!("begin to ask, {RATE} times a second; all backends are well"));
        loop {
            let next = steps.peek().map_or(end, |step| self.start + step.due(length));
            tokio::select! {
                batch = self.events.next(BATCH) => {
                    let lines: Vec<_> = batch.events.iter().filter_map(|event| self.story.tell(event)).collect();
                    lines.iter().for_each(|line| self.show(line));
                }
                Some(name) = self.trouble.restarted.recv() => self.say(Voice::Fleet, format!("{name} has started again")),
                _ = report.tick() => {
                    let got = self.load.tally.borrow().got;
                    self.say(Voice::Load, progress(got.since(before)));
                    before = got;
                }
                () = sleep_until(next) => match steps.next() {
                    Some(step) => {
                        let Member { name, condition, .. } = &self.trouble.fleet.members[step.member];
                        let text = step.change.apply(name, condition);
                        self.say(Voice::Fleet, text);
                    }
                    None if self.story.is_settled() || self.start.elapsed() > length + PATIENCE => break,
                    // what is under way is told to its end
                    None => end = Instant::now() + LOOK,
                },
            }
        }
        self.sum_up().await;
    }

    async fn sum_up(mut self) {
        let document = load::document(self.admin, "/api/v1/sla").await;
        let promise = document.as_ref().map(|document| &document[SERVICE]);
        let lasted = self.start.elapsed();
        let mut text = summary::summary(lasted, &self.load.tally.borrow(), &self.story, promise);
        // just after the first backend was taken out
        let first = self.story.outages.first().map(|outage| {
            let ago = lasted.saturating_sub(outage.from + Duration::from_secs(1));
            (outage.backend.as_str(), rfc3339(SystemTime::now() - ago))
        });
        text.push_str(&outlook(&self.stage, self.admin, first.as_ref().map(|(backend, at)| (*backend, &**at))));
        self.write(&text);
    }

    fn say(&mut self, voice: Voice, text: String) {
        let line = Line { at: self.start.elapsed(), voice, text };
        self.show(&line);
    }

    fn show(&mut self, line: &Line) {
        let line = line.render(self.stage.has_colours);
        self.write(&line);
    }

    fn write(&mut self, text: &str) {
        // whoever has read enough (`| head`) ends nothing by that
        let _ = self.stage.out.write_all(text.as_bytes()).and_then(|()| self.stage.out.flush());
    }
}

/// What the clients have got since the last time.
fn progress(Counts { sent, lost, slow }: Counts) -> String {
    let slow = if slow == 0 { String::new() } else { format!(", {slow} slower than 250 ms") };
    format!("{sent} requests, {lost} lost{slow}")
}

/// What is said before it begins; 80 columns at most, but for what is long in the program's name.
pub fn banner(trouble: &Trouble, web: SocketAddr, admin: SocketAddr, stage: &Stage) -> String {
    let mut text = format!(
        "\
Evenkeel {version}: {SIZE} backends, {RATE} requests a second, and {seconds} seconds of trouble.

  page      http://{admin}
            open it in a browser now, and see there what is told here
  terminal  {program} top --admin http://{admin}
  proxy     http://{web}

",
        version = env!("CARGO_PKG_VERSION"),
        seconds = trouble.length.as_secs(),
        program = stage.program,
    );
    for voice in Voice::ALL {
        let line = format!("  {:<8}  {}", voice.name(), voice.about());
        text += &(voice.coloured(&line, stage.has_colours) + "\n");
    }
    text.push('\n');
    text
}

/// What is said when it is over. `first`: the backend that was taken out first, and a time at which it was out.
fn outlook(stage: &Stage, admin: SocketAddr, first: Option<(&str, &str)>) -> String {
    if stage.ends {
        return String::new();
    }
    let program = &stage.program;
    let why = first.map_or(String::new(), |(backend, at)| {
        format!("  {program} why {SERVICE}/{backend} --at {at} --admin http://{admin}\n")
    });
    format!(
        "
It is over. The load goes on, and the page has it all. Look closer:

{why}\
  {program} recovery list --admin http://{admin}
  {program} report --last 1h --admin http://{admin}
  curl -s http://{admin}/api/v1/events

Ctrl-C ends it.
"
    )
}

/// A time that is meant for the usual length, where the whole takes `length`.
fn scaled(time: Duration, length: Duration) -> Duration {
    time.mul_f64(length.as_secs_f64() / USUAL.as_secs_f64())
}
