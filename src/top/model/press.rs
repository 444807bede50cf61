//! What a key changes of the model.

use super::{Effect, Mode, Model, Now, Screen, what};
use crate::top::act::{Act, Command};
use crate::top::document::{Backend, Service};
use crate::top::keys::Action;
use crate::top::table::{Listing, Step};

/// The longest text that can be typed, in bytes. The admin address takes longer reasons, which nobody types.
const LONGEST: usize = 200;

impl Model {
    /// Does what a key asks for.
    pub fn press(&mut self, action: Action, now: Now) -> Option<Effect> {
        if action == Action::Quit {
            return Some(Effect::Quit);
        }
        match &mut self.mode {
            Mode::Browse => return self.browse(action, now),
            Mode::Help => self.mode = Mode::Browse,
            Mode::Filter => self.filter(action),
            Mode::Confirm(act, reason) => match action {
                Action::Open => {
                    let (act, reason) = (act.clone(), std::mem::take(reason));
                    self.mode = Mode::Browse;
                    self.tell(format!("{}: asked, no answer yet", act.title()), false, now);
                    return Some(Effect::Act(act, reason));
                }
                Action::Back => self.mode = Mode::Browse,
                _ => edit(reason, action),
            },
        }
        None
    }

    fn browse(&mut self, action: Action, now: Now) -> Option<Effect> {
        match action {
            Action::Select(step) => self.step(step),
            Action::Page(pages) => self.step(Step::By(pages * isize::try_from(self.page.max(1)).unwrap_or(1))),
            Action::Open => self.open(),
            Action::Back => return self.back(),
            Action::NextSort | Action::Reverse => self.sort(action),
            Action::Filter if !matches!(self.screen, Screen::Backend { .. }) => self.mode = Mode::Filter,
            Action::Help => self.mode = Mode::Help,
            Action::Command(command) => self.confirm_command(command, now),
            Action::Pause => match &self.live {
                Some(live) if live.recovery.paused => self.confirm(Act::Resume),
                Some(_) => self.confirm(Act::Pause),
                None => {}
            },
            Action::Approve => self.confirm_approval(now),
            _ => {}
        }
        None
    }

    /// Changes the order of the rows, and goes to what comes first in it.
    fn sort(&mut self, action: Action) {
        match (action, &self.screen) {
            (_, Screen::Backend { .. }) => return,
            (Action::Reverse, _) => {
                let listing = self.listing_mut();
                listing.is_reversed = !listing.is_reversed;
            }
            (_, Screen::Overview) => self.services.next_sort::<Service>(),
            (_, Screen::Service(_)) => self.backends.next_sort::<Backend>(),
        }
        self.step(Step::First);
    }

    fn step(&mut self, step: Step) {
        let Some(live) = &self.live else { return };
        match &mut self.screen {
            Screen::Overview => self.services.step(&live.services.0, step),
            Screen::Service(open) => {
                if let Some(detail) = live.service.as_ref().filter(|it| it.name == *open) {
                    self.backends.step(&detail.backends.0, step);
                }
            }
            Screen::Backend { scroll, .. } => {
                let last = self.events.len().saturating_sub(1);
                *scroll = match step {
                    Step::By(lines) => scroll.saturating_add_signed(lines).min(last),
                    Step::First => 0,
                    Step::Last => last,
                };
            }
        }
    }

    fn open(&mut self) {
        match &self.screen {
            Screen::Overview => {
                let Some(live) = &self.live else { return };
                let Some(service) = self.services.current(&live.services.0) else { return };
                self.screen = Screen::Service(service.name.clone());
                self.backends = Listing::default();
            }
            Screen::Service(service) => {
                let Some(backend) = self.backend() else { return };
                let (service, backend) = (service.clone(), backend.id.clone());
                self.screen = Screen::Backend { service, backend, scroll: 0 };
                self.events.clear();
                self.why.clear();
            }
            Screen::Backend { .. } => {}
        }
    }

    fn back(&mut self) -> Option<Effect> {
        self.screen = match &self.screen {
            // the filter belongs to the table, and a backend has none
            Screen::Backend { service, .. } => Screen::Service(service.clone()),
            _ if !self.listing().filter.is_empty() => {
                self.listing_mut().filter.clear();
                return None;
            }
            Screen::Service(_) => Screen::Overview,
            Screen::Overview => return Some(Effect::Quit),
        };
        None
    }

    fn filter(&mut self, action: Action) {
        match action {
            Action::Open => self.mode = Mode::Browse,
            Action::Back => {
                self.listing_mut().filter.clear();
                self.mode = Mode::Browse;
            }
            Action::Select(step) => self.step(step),
            _ => edit(&mut self.listing_mut().filter, action),
        }
    }

    fn confirm(&mut self, act: Act) {
        self.mode = Mode::Confirm(act, String::new());
    }

    fn confirm_command(&mut self, command: Command, now: Now) {
        match (self.open_service().map(str::to_owned), self.backend().map(|backend| backend.id.clone())) {
            (Some(service), Some(backend)) => self.confirm(Act::Command { command, service, backend }),
            (Some(_), None) => self.tell("there is no backend to do that to".to_owned(), true, now),
            (None, _) => {
                self.tell("that is for a backend: Enter opens the service, then select one".to_owned(), true, now)
            }
        }
    }

    /// Asks to approve the attempt that has waited longest: of the open service, or on the overview of the selected one before others.
    fn confirm_approval(&mut self, now: Now) {
        let Some(live) = &self.live else { return };
        let waiting = live.waiting();
        let of = |service: &str| waiting.iter().find(|(_, attempt)| attempt.service == service);
        let found = match self.open_service() {
            Some(service) => of(service),
            None => {
                let selected = self.services.current(&live.services.0);
                selected.and_then(|service| of(&service.name)).or(waiting.first())
            }
        };
        match found {
            Some((number, attempt)) => {
                let act = Act::Approve { attempt: (*number).to_owned(), what: what(attempt) };
                self.confirm(act);
            }
            None => self.tell("nothing waits to be approved here".to_owned(), true, now),
        }
    }
}

/// Changes a text as a key asks for.
fn edit(text: &mut String, action: Action) {
    match action {
        Action::Type(letter) if text.len() + letter.len_utf8() <= LONGEST => text.push(letter),
        Action::Erase => _ = text.pop(),
        Action::EraseAll => text.clear(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::testing::{document, model, now, press};

    const DOWN: Action = Action::Select(Step::By(1));
    const DRAIN: Action = Action::Command(Command::Drain);

    fn typed(text: &str) -> Vec<Action> {
        text.chars().map(Action::Type).collect()
    }

    fn told(model: &Model) -> String {
        model.notice(now()).map(|notice| notice.text.clone()).unwrap_or_default()
    }

    #[test]
    fn a_command_is_given_only_after_it_was_confirmed() {
        let mut model = model();
        assert_eq!(press(&mut model, &[DOWN, Action::Open, DRAIN]), None);
        assert!(matches!(model.mode, Mode::Confirm(..)) && model.is_typing());
        let mut rest = typed("disks");
        rest.extend([Action::Erase, Action::Open]);
        let act = Act::Command { command: Command::Drain, service: "api".to_owned(), backend: "c".to_owned() };
        assert_eq!(press(&mut model, &rest), Some(Effect::Act(act, "disk".to_owned())));
        assert_eq!((&model.mode, &*told(&model)), (&Mode::Browse, "Drain api/c: asked, no answer yet"));
    }

    #[test]
    fn a_question_that_is_left_does_nothing() {
        let mut model = model();
        assert_eq!(press(&mut model, &[DOWN, Action::Open, DRAIN, Action::Type('x'), Action::Back]), None);
        assert_eq!((&model.mode, &model.screen), (&Mode::Browse, &Screen::Service("api".to_owned())));
    }

    #[test]
    fn on_the_overview_there_is_no_backend_to_give_a_command_to() {
        let mut model = model();
        press(&mut model, &[DRAIN]);
        assert_eq!(model.mode, Mode::Browse);
        assert!(told(&model).contains("Enter opens the service"));
    }

    #[test]
    fn recovery_is_paused_or_resumed_whichever_it_is_not() {
        let mut model = model();
        let confirmed = [Action::Pause, Action::Open];
        assert_eq!(press(&mut model, &confirmed), Some(Effect::Act(Act::Pause, String::new())));
        let mut paused = document();
        paused["recovery"]["paused"] = true.into();
        model.hear(crate::top::testing::answer(&paused), now());
        assert_eq!(press(&mut model, &confirmed), Some(Effect::Act(Act::Resume, String::new())));
    }

    #[test]
    fn what_is_approved_is_named_in_the_question() {
        let mut model = model();
        let what = "restart of payments/p2 against outage".to_owned();
        press(&mut model, &[Action::Approve]);
        assert_eq!(model.mode, Mode::Confirm(Act::Approve { attempt: "17".to_owned(), what }, String::new()));
        // nothing of api waits
        press(&mut model, &[Action::Back, DOWN, Action::Open, Action::Approve]);
        assert_eq!((&model.mode, &*told(&model)), (&Mode::Browse, "nothing waits to be approved here"));
    }

    #[test]
    fn back_leads_from_a_backend_to_the_way_out() {
        let mut model = model();
        press(&mut model, &[DOWN, Action::Open, Action::Open]);
        assert!(matches!(model.screen, Screen::Backend { .. }));
        assert_eq!(press(&mut model, &[Action::Back, Action::Back]), None);
        assert_eq!(model.screen, Screen::Overview);
        assert_eq!(press(&mut model, &[Action::Back]), Some(Effect::Quit));
    }

    #[test]
    fn a_filter_is_taken_back_before_anything_is_left() {
        let mut model = model();
        let mut keys = vec![Action::Filter];
        keys.extend(typed("web"));
        keys.push(Action::Open);
        press(&mut model, &keys);
        let services = &model.live.as_ref().unwrap().services.0;
        assert_eq!(model.services.rows(services).len(), 1);
        assert_eq!(press(&mut model, &[Action::Back]), None);
        assert_eq!(&*model.services.filter, "");
        // while it is typed, going back drops it
        press(&mut model, &[Action::Filter, Action::Type('x'), Action::Back]);
        assert_eq!((&*model.services.filter, &model.mode), ("", &Mode::Browse));
    }

    #[test]
    fn in_another_order_what_comes_first_is_selected() {
        let mut model = model();
        let first =
            |model: &Model| model.services.current(&model.live.as_ref().unwrap().services.0).unwrap().name.clone();
        press(&mut model, &[Action::Select(Step::Last), Action::NextSort]);
        assert_eq!(first(&model), "api");
        press(&mut model, &[Action::Reverse]);
        assert_eq!(first(&model), "web");
    }

    #[test]
    fn any_key_closes_the_help_and_does_nothing_else() {
        let mut model = model();
        assert_eq!(press(&mut model, &[Action::Help, Action::Back]), None);
        assert_eq!((&model.mode, &model.screen), (&Mode::Browse, &Screen::Overview));
    }

    #[test]
    fn events_are_scrolled_as_far_as_there_are_some() {
        let mut model = model();
        press(&mut model, &[DOWN, Action::Open, Action::Open, DOWN, DOWN, DOWN, DOWN]);
        assert!(matches!(model.screen, Screen::Backend { scroll: 2, .. }), "{:?}", model.screen);
    }

    #[test]
    fn before_the_first_answer_keys_do_nothing_but_quit() {
        let mut model = Model::new(String::new(), std::time::Duration::from_secs(1));
        for action in [Action::Open, DOWN, Action::Pause, Action::Approve, Action::Page(1)] {
            assert_eq!(model.press(action, now()), None);
            assert_eq!((&model.screen, &model.mode), (&Screen::Overview, &Mode::Browse));
        }
        assert_eq!(model.press(Action::Quit, now()), Some(Effect::Quit));
    }

    #[test]
    fn a_text_has_an_end() {
        let mut model = model();
        press(&mut model, &[Action::Pause]);
        for _ in 0..LONGEST {
            model.press(Action::Type('ü'), now());
        }
        let Mode::Confirm(_, reason) = &model.mode else { panic!() };
        assert_eq!(reason.len(), LONGEST);
    }
}
