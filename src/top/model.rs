//! All that the view shows, and what keys and answers change of it. Pure: the time is an argument, and what is to be done outside is given back.

mod press;

use std::time::{Duration, SystemTime};

use super::act::Act;
use super::document::{Attempt, Backend, Detail, Event, Live, target};
use super::report::{Report, Trouble, Watch};
use super::table::Listing;
use super::trend::Trends;
use crate::clock::Moment;

/// How long it is told what came of an act.
const NOTICE: Duration = Duration::from_secs(10);
/// The same for one that failed: there is more to read.
const BAD_NOTICE: Duration = Duration::from_secs(30);
/// How long there may be no answer until what is shown is called stale.
const STALE: Duration = Duration::from_secs(5);

/// The time, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// By the monotonic clock: for how long there was no answer.
    pub moment: Moment,
    /// By the wall's clock: how long ago something was by the server's stamps.
    pub wall: SystemTime,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screen {
    /// All services.
    Overview,
    /// The backends of this service.
    Service(String),
    /// One backend.
    Backend {
        /// The service.
        service: String,
        /// The id of the backend.
        backend: String,
        /// How many of its newest events are scrolled past.
        scroll: usize,
    },
}

/// What keys are for at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// They are commands.
    Browse,
    /// They are typed into the filter.
    Filter,
    /// They are typed into the reason of an act that is to be confirmed.
    Confirm(Act, String),
    /// They close the help.
    Help,
}

/// A line that tells what came of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// In words.
    pub text: String,
    /// It failed.
    pub is_bad: bool,
    /// When it is not shown any more.
    until: Moment,
}

/// What has to be done outside of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Leave.
    Quit,
    /// Carry this out, for this reason.
    Act(Act, String),
}

/// All that the view shows.
#[derive(Debug, Clone)]
pub struct Model {
    /// The admin address, for people.
    pub place: String,
    /// The last document.
    pub live: Option<Live>,
    /// When it came.
    answered: Moment,
    /// How long there may be no answer until it is stale.
    stale_after: Duration,
    /// Why the last question had no answer.
    pub trouble: Option<Trouble>,
    /// The last events of the backend that is looked at, the newest first.
    pub events: Vec<Event>,
    /// Why that backend is in its state, in sentences.
    pub why: Vec<String>,
    /// What is looked at.
    pub screen: Screen,
    /// How the services are looked at.
    pub services: Listing,
    /// How the backends of the open service are looked at.
    pub backends: Listing,
    /// What keys are for.
    pub mode: Mode,
    /// What came of the last act.
    notice: Option<Notice>,
    /// The small curves.
    pub trends: Trends,
    /// How many rows a page has.
    pub page: usize,
}

impl Model {
    /// Before the first answer of an admin address that is asked once in `interval`.
    pub fn new(place: String, interval: Duration) -> Self {
        Self {
            place,
            live: None,
            answered: Moment::NEVER,
            // where it is asked rarely, one lost answer does not make it stale
            stale_after: STALE.max(interval * 3),
            trouble: None,
            events: Vec::new(),
            why: Vec::new(),
            screen: Screen::Overview,
            services: Listing::default(),
            backends: Listing::default(),
            mode: Mode::Browse,
            notice: None,
            trends: Trends::default(),
            page: 10,
        }
    }

    /// What has to be asked for to show what is looked at.
    pub fn watch(&self) -> Watch {
        match &self.screen {
            Screen::Overview => Watch::default(),
            Screen::Service(service) => Watch { service: Some(service.clone()), backend: None },
            Screen::Backend { service, backend, .. } => {
                Watch { service: Some(service.clone()), backend: Some(backend.clone()) }
            }
        }
    }

    /// For how long there was no answer, when that is so long that what is shown is stale.
    pub fn stale(&self, now: Now) -> Option<Duration> {
        let silence = now.moment.since(self.answered);
        (self.live.is_some() && silence >= self.stale_after).then_some(silence)
    }

    /// What is to be told of the last act.
    pub fn notice(&self, now: Now) -> Option<&Notice> {
        self.notice.as_ref().filter(|notice| now.moment < notice.until)
    }

    /// Whether keys are typed into a text.
    pub fn is_typing(&self) -> bool {
        matches!(self.mode, Mode::Filter | Mode::Confirm(..))
    }

    /// The name of the service that is open, or whose backend is.
    pub fn open_service(&self) -> Option<&str> {
        match &self.screen {
            Screen::Overview => None,
            Screen::Service(service) | Screen::Backend { service, .. } => Some(service),
        }
    }

    /// The details of the open service; `None` before they have come, and when it is gone.
    pub fn detail(&self) -> Option<&Detail> {
        let detail = self.live.as_ref()?.service.as_ref()?;
        (Some(&*detail.name) == self.open_service()).then_some(detail)
    }

    /// The backend that a command is for: the open one, else the selected one.
    pub fn backend(&self) -> Option<&Backend> {
        let all = &self.detail()?.backends;
        match &self.screen {
            Screen::Backend { backend, .. } => all.find(backend),
            _ => self.backends.current(&all.0),
        }
    }

    /// How the table on the screen is looked at.
    pub fn listing(&self) -> &Listing {
        if self.screen == Screen::Overview { &self.services } else { &self.backends }
    }

    fn listing_mut(&mut self) -> &mut Listing {
        if self.screen == Screen::Overview { &mut self.services } else { &mut self.backends }
    }

    /// Takes in what the client reports.
    pub fn hear(&mut self, report: Report, now: Now) {
        match report {
            Report::Answer { watch, live, events, why } => {
                self.trends.add(&live.services.0);
                if watch == self.watch() {
                    (self.events, self.why) = (events, why);
                }
                self.services.settle(&live.services.0);
                if let Some(detail) = live.service.as_ref().filter(|it| Some(&*it.name) == self.open_service()) {
                    self.backends.settle(&detail.backends.0);
                }
                (self.live, self.answered, self.trouble) = (Some(*live), now.moment, None);
            }
            Report::Trouble(trouble) => {
                self.trends.gap();
                self.trouble = Some(trouble);
            }
            Report::Done(Ok(text)) => self.tell(text, false, now),
            Report::Done(Err(why)) => self.tell(why, true, now),
        }
    }

    fn tell(&mut self, text: String, is_bad: bool, now: Now) {
        let until = now.moment.plus(if is_bad { BAD_NOTICE } else { NOTICE });
        self.notice = Some(Notice { text, is_bad, until });
    }
}

/// What an attempt is, and how far, in words.
pub fn what(attempt: &Attempt) -> String {
    let dry = if attempt.dry_run { " (dry run: nothing is done)" } else { "" };
    if !attempt.text.is_empty() {
        return format!("{}{dry}", attempt.text);
    }
    let target = target(&attempt.service, attempt.backend.as_deref());
    let (strategy, fault) = (&attempt.strategy, attempt.fault.replace('_', " "));
    format!("{strategy} of {target} against {fault}, {}{dry}", attempt.phase.replace('_', " "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::keys::Action;
    use super::super::testing::{answer, document, later, model, now, press};
    use super::*;

    #[test]
    fn what_is_shown_is_stale_after_five_seconds_without_an_answer() {
        let mut model = model();
        assert_eq!((model.stale(later(4)), model.stale(later(5))), (None, Some(Duration::from_secs(5))));
        model.hear(Report::Trouble(Trouble::Failed("refused".to_owned())), later(6));
        assert!(model.stale(later(6)).is_some() && model.trouble.is_some());
        model.hear(answer(&document()), later(7));
        assert_eq!((model.stale(later(7)), &model.trouble), (None, &None));
    }

    #[test]
    fn where_it_is_asked_rarely_it_is_stale_later() {
        let mut model = Model::new(String::new(), Duration::from_secs(10));
        assert_eq!(model.stale(later(0)), None);
        model.hear(answer(&document()), now());
        assert_eq!((model.stale(later(29)), model.stale(later(30)).is_some()), (None, true));
    }

    #[test]
    fn what_came_of_an_act_is_told_for_a_while_and_a_failure_longer() {
        let mut model = model();
        model.hear(Report::Done(Ok("api/c takes part".to_owned())), now());
        assert_eq!(model.notice(later(9)).map(|notice| notice.is_bad), Some(false));
        assert_eq!(model.notice(later(10)), None);
        model.hear(Report::Done(Err("may only read (403)".to_owned())), now());
        assert!(model.notice(later(29)).is_some_and(|notice| notice.is_bad) && model.notice(later(30)).is_none());
    }

    #[test]
    fn what_is_looked_at_is_what_is_asked_for() {
        let mut model = model();
        assert_eq!(model.watch(), Watch::default());
        // the worst comes first, so api is the second one
        press(&mut model, &[Action::Select(super::super::table::Step::By(1)), Action::Open]);
        assert_eq!(model.watch(), Watch { service: Some("api".to_owned()), backend: None });
        press(&mut model, &[Action::Open]);
        assert_eq!(model.watch(), Watch { service: Some("api".to_owned()), backend: Some("c".to_owned()) });
        assert_eq!(model.events.len(), 3);
    }

    #[test]
    fn events_of_another_backend_are_not_shown() {
        let mut model = model();
        let watch = Watch { service: Some("api".to_owned()), backend: Some("a".to_owned()) };
        let live = Box::new(Live::read(document()).unwrap());
        model.hear(Report::Answer { watch, live, events: vec![Event::default()], why: Vec::new() }, now());
        assert!(model.events.is_empty());
    }

    #[test]
    fn a_service_that_is_gone_has_no_details() {
        let mut model = model();
        press(&mut model, &[Action::Select(super::super::table::Step::By(1)), Action::Open]);
        assert!(model.detail().is_some() && model.backend().is_some());
        let mut without = document();
        without["service"] = json!(null);
        model.hear(answer(&without), now());
        assert!(model.detail().is_none() && model.backend().is_none());
        assert_eq!(model.press(Action::Open, now()), None);
        assert_eq!(model.screen, Screen::Service("api".to_owned()));
    }
}
