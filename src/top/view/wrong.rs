//! What is wrong, in words, before any figure: services that are down, that are impaired, and what is done or has to be decided about it.

use ratatui::text::{Line, Span};

use super::text::{pad, width, wrap_to};
use super::theme::Theme;
use crate::top::document::{Live, Recovery, Service, target};
use crate::top::format::budget;
use crate::top::model::what;
use crate::top::tone::Tone;

/// The width of the word that a line begins with.
const WORD: usize = 8;
/// The most of a line that a name gets.
const NAME: usize = 24;
/// The most lines for one thing.
const LINES: usize = 3;

/// From this rank on, a line tells of something that is no trouble of this moment.
const QUIET: u8 = 5;

/// Something that is wrong.
struct Item {
    /// What comes first: 0 before 1.
    rank: u8,
    tone: Tone,
    word: String,
    name: String,
    text: String,
}

/// The lines, `room` wide, and `most` of them at most. `only` = of this service, without what its own state says.
pub fn lines(live: &Live, only: Option<&str>, theme: Theme, room: usize, most: usize) -> Vec<Line<'static>> {
    let items = items(live, only);
    let name = items.iter().map(|item| width(&item.name)).max().unwrap_or_default().min(NAME);
    let text_room = room.saturating_sub(WORD + name + 2);
    let mut lines = Vec::new();
    for (at, item) in items.iter().enumerate() {
        // unless this is the last one, a line is left for how many there are besides
        let left = most.saturating_sub(lines.len() + usize::from(at + 1 < items.len()));
        if left == 0 {
            lines.push(Line::styled(format!("and {} more", items.len() - at), theme.of(Tone::Warn)));
            break;
        }
        let words = wrap_to(&item.text, text_room, LINES.min(left));
        let first = words.first().cloned().unwrap_or_default();
        lines.push(Line::from(vec![
            Span::styled(pad(&item.word, WORD, false), theme.of(item.tone)),
            Span::raw(" "),
            Span::styled(pad(&item.name, name, false), theme.strong()),
            Span::raw(format!(" {first}")),
        ]));
        let indent = " ".repeat(WORD + name + 2);
        lines.extend(words.iter().skip(1).map(|words| Line::raw(format!("{indent}{words}"))));
    }
    lines
}

/// Whether nothing is wrong at this moment.
pub fn is_well(live: &Live) -> bool {
    items(live, None).iter().all(|item| item.rank >= QUIET)
}

fn items(live: &Live, only: Option<&str>) -> Vec<Item> {
    let is_wanted = |service: &str| only.is_none_or(|only| only == service);
    let mut items = Vec::new();
    let is_listed = |it: &&Service| only.is_none() && (it.tone() != Tone::Good || !it.words.is_empty());
    let is_spent = |it: &&Service| only.is_none() && it.has_spent_its_budget();
    items.extend((only.is_none() && live.recovery.paused).then(|| paused(&live.recovery)));
    let services: Vec<_> = live.services.0.iter().filter(is_listed).collect();
    items.extend(services.iter().map(|service| Item {
        // what waits for a person comes right after what is down, however much is impaired
        rank: match service.urgency() {
            0 => 0,
            1 => 2,
            _ => QUIET,
        },
        tone: service.tone(),
        word: service.word().to_owned(),
        name: service.name.clone(),
        text: text(service),
    }));
    // what was lost some time ago comes last, and says so without a colour
    items.extend(live.services.0.iter().filter(is_spent).map(|service| Item {
        rank: QUIET + 1,
        tone: Tone::Soft,
        word: "budget".to_owned(),
        name: service.name.clone(),
        text: format!("the error budget of its window is spent: {} left", budget(service.budget_left)),
    }));
    items.extend(live.waiting().into_iter().filter(|(_, it)| is_wanted(&it.service)).map(|(number, attempt)| Item {
        rank: 1,
        tone: Tone::Warn,
        word: "approve?".to_owned(),
        name: target(&attempt.service, attempt.backend.as_deref()),
        text: format!("attempt {number} waits for you: {} (a approves it)", what(attempt)),
    }));
    // on the overview the words of a service tell of its faults already
    let told = |service: &str| only.is_none() && services.iter().any(|it| it.name == service);
    let faults = live.faults.values().filter(|it| is_wanted(&it.service) && !told(&it.service));
    items.extend(faults.map(|fault| Item {
        rank: 3,
        tone: Tone::Bad,
        word: "fault".to_owned(),
        name: target(&fault.service, fault.backend.as_deref()),
        text: if fault.text.is_empty() { fault.fault.replace('_', " ") } else { fault.text.clone() },
    }));
    let repairs = live.recoveries.iter().filter(|(_, it)| !it.waits_for_approval && is_wanted(&it.service));
    items.extend(repairs.map(|(number, attempt)| Item {
        rank: 4,
        tone: Tone::Plain,
        word: "repair".to_owned(),
        name: target(&attempt.service, attempt.backend.as_deref()),
        text: format!("attempt {number}: {}", what(attempt)),
    }));
    items.sort_by_key(|item| item.rank);
    items
}

fn text(service: &Service) -> String {
    let words = &service.words;
    match (service.maintenance, words.is_empty()) {
        (false, _) => words.clone(),
        (true, true) => "maintenance: what happens does not count".to_owned(),
        (true, false) => format!("maintenance, so it does not count: {words}"),
    }
}

fn paused(recovery: &Recovery) -> Item {
    let known = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let by = known(&recovery.by).map(|by| format!(" by {by}")).unwrap_or_default();
    let reason = known(&recovery.reason).map(|reason| format!(": {reason}")).unwrap_or_default();
    let text = format!("nothing is repaired; paused{by}{reason} (p resumes it)");
    Item { rank: 1, tone: Tone::Warn, word: "paused".to_owned(), name: "recovery".to_owned(), text }
}
