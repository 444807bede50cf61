//! Why a service as a whole is as it is. Pure.

use super::facts::{Fleet, Recovery};
use super::figures::count;
use crate::detect::phrase;
use crate::endpoint::standing::WHOLE;

/// How a service stands: the word for it in the API.
pub fn state(fleet: &Fleet) -> &'static str {
    match fleet {
        Fleet { total: 0, .. } => "unavailable",
        Fleet { panic: true, .. } => "panic",
        Fleet { usable: 0, .. } => "unavailable",
        Fleet { usable, total, .. } if usable < total => "degraded",
        _ => "up",
    }
}

/// The sentences about a service, the most important first.
pub fn sentences(name: &str, fleet: &Fleet, panic_threshold: f64, recovery: &Recovery) -> Vec<String> {
    let Fleet { total, usable, primaries, usable_primaries, .. } = *fleet;
    let of = format!("{usable} of {} can be used", count(total as u64, "backend"));
    let threshold = phrase::share(panic_threshold);
    let mut said = vec![match state(fleet) {
        "panic" => format!(
            "{name} ignores health (panic): {usable_primaries} of {} can be used, less than {threshold}, so all that nobody has taken out get work.",
            primary(primaries)
        ),
        "unavailable" if total == 0 => format!("{name} is unavailable: it has no backends."),
        "unavailable" => format!("{name} is unavailable: none of its {} can be used.", count(total as u64, "backend")),
        "degraded" => format!("{name} is degraded: {of}."),
        _ => format!("{name} is up: {of}."),
    }];
    if !fleet.panic && panic_threshold > 0.0 && primaries > 0 {
        said.push(format!(
            "{usable_primaries} of {} can be used; health is ignored below {threshold}.",
            primary(primaries)
        ));
    }
    if primaries > 0 && usable_primaries == 0 && usable > 0 {
        said.push("No primary can be used: its backups do the work.".to_owned());
    }
    if let Some((to, share)) = &fleet.detour {
        let share = phrase::share(f64::from(*share) / f64::from(WHOLE));
        said.push(format!("A failover of recovery sends {share} of its work to {to}."));
    }
    if let Some(zones) = &fleet.zones {
        let words = zones.words(fleet.panic, fleet.detour.is_some());
        let mut letters = words.chars();
        said.extend(letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())));
    }
    if recovery.is_on && recovery.is_paused {
        said.push("Somebody has paused recovery: nothing is repaired.".to_owned());
    }
    if let Some(why) = &recovery.braked {
        said.push(format!("A repair is held back: {why}."));
    }
    said
}

fn primary(number: usize) -> String {
    if number == 1 { "1 primary".to_owned() } else { format!("{number} primaries") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: Fleet =
        Fleet { total: 4, usable: 4, primaries: 3, usable_primaries: 3, panic: false, detour: None, zones: None };

    #[test]
    fn a_service_says_how_many_can_be_used_and_what_follows() {
        let said = |fleet: &Fleet| sentences("api", fleet, 0.5, &Recovery::default()).join(" ");
        assert_eq!(
            said(&FLEET),
            "api is up: 4 of 4 backends can be used. 3 of 3 primaries can be used; health is ignored below 50 %."
        );
        let panic = Fleet { usable: 1, usable_primaries: 1, panic: true, ..FLEET };
        assert!(said(&panic).starts_with("api ignores health (panic): 1 of 3 primaries can be used, less than 50 %"));
        let backups = Fleet { usable: 1, usable_primaries: 0, ..FLEET };
        assert!(said(&backups).contains("its backups do the work"), "{}", said(&backups));
        let none = Fleet { usable: 0, usable_primaries: 0, ..FLEET };
        assert!(said(&none).starts_with("api is unavailable: none of its 4 backends can be used."));
        let states = [&FLEET, &panic, &backups, &none].map(state);
        assert_eq!(states, ["up", "panic", "degraded", "unavailable"]);
    }

    #[test]
    fn what_holds_its_repair_back_is_said() {
        let recovery =
            Recovery { is_on: true, is_paused: true, braked: Some("per_hour".into()), ..Recovery::default() };
        let said = sentences("api", &FLEET, 0.0, &recovery).join(" ");
        assert!(said.contains("paused recovery") && said.contains("held back: per_hour"), "{said}");
    }
}
