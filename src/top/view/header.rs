//! The first line: which proxy this is, and how it is as a whole.

use ratatui::text::{Line, Span};

use super::text::{clip, width};
use super::theme::Theme;
use crate::top::document::{Cluster, Live};
use crate::top::format::{age, number, span};
use crate::top::model::{Model, Now};
use crate::top::tone::Tone;

/// What is between two pieces of the line.
const GAP: &str = "  ";

/// The first line. What is least needed is left out where there is no room.
pub fn line(model: &Model, theme: Theme, now: Now, room: usize) -> Line<'static> {
    let Some(live) = &model.live else {
        return Line::from(vec![
            Span::styled("evenkeel top", theme.strong()),
            Span::raw(format!("{GAP}{}", model.place)),
        ]);
    };
    let mut line = vec![Span::styled(clip(&format!("evenkeel {}", live.version), 30), theme.strong())];
    let pieces = match model.stale(now) {
        Some(silence) => {
            vec![(Tone::Bad, format!("STALE: no answer for {}", span(silence))), (Tone::Soft, model.place.clone())]
        }
        None => pieces(live, &model.place, now),
    };
    let mut used = line[0].width();
    for (tone, text) in pieces {
        let left = room.saturating_sub(used + GAP.len());
        // what is wrong is cut rather than left out
        if text.is_empty() || left < 8 || (width(&text) > left && matches!(tone, Tone::Soft)) {
            continue;
        }
        let text = clip(&text, left);
        used += GAP.len() + width(&text);
        line.extend([Span::raw(GAP), Span::styled(text, theme.of(tone))]);
    }
    Line::from(line)
}

fn pieces(live: &Live, place: &str, now: Now) -> Vec<(Tone, String)> {
    let phase = if live.phase == "ready" { Tone::Good } else { Tone::Warn };
    let recovery = match live.recovery.paused {
        true => (Tone::Warn, "recovery PAUSED".to_owned()),
        false => (Tone::Soft, "recovery on".to_owned()),
    };
    let connections: u64 = live.listeners.values().map(|listener| listener.connections).sum();
    let plural =
        |count: u64, thing: &str| format!("{} {thing}{}", number(count as f64), if count == 1 { "" } else { "s" });
    let listeners = plural(live.listeners.len() as u64, "listener");
    let each: Vec<_> = live
        .listeners
        .iter()
        .map(|(name, listener)| format!("{name} {}", number(listener.connections as f64)))
        .collect();
    let closed = live.listeners.iter().filter(|(_, listener)| listener.maintenance_page);
    let closed: Vec<&str> = closed.map(|(name, _)| name.as_str()).collect();
    let closed = if closed.is_empty() { String::new() } else { format!("MAINTENANCE page on {}", closed.join(", ")) };
    vec![
        (phase, live.phase.clone()),
        live.cluster.as_ref().map_or_else(|| (Tone::Soft, String::new()), cluster),
        recovery,
        (Tone::Warn, closed),
        (Tone::Soft, format!("up {}", age(&live.started, now.wall).unwrap_or_else(|| "?".to_owned()))),
        (Tone::Soft, format!("{} on {listeners}", plural(connections, "connection"))),
        (Tone::Soft, place.to_owned()),
        (Tone::Soft, if each.len() > 1 { format!("({})", each.join(", ")) } else { String::new() }),
    ]
}

/// The name of this instance, and who leads.
fn cluster(cluster: &Cluster) -> (Tone, String) {
    let name = &cluster.name;
    match (cluster.elected, cluster.leader, &cluster.leader_name) {
        (false, ..) => (Tone::Soft, name.clone()),
        (true, true, _) => (Tone::Soft, format!("{name} leads")),
        (true, false, Some(leader)) => (Tone::Soft, format!("{name}, {leader} leads")),
        (true, false, None) => (Tone::Warn, format!("{name}, NO LEADER")),
    }
}
