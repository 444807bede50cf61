//! What a listener and its routes have not let in, by reason.

use serde_json::{Map, Value, json};

use crate::metrics::Denial;
use crate::snapshot::{Guard, Snapshot};

/// Of the listener with this name: of itself, with the route null, and of each of its routes that asks for something.
pub(super) fn of(snapshot: &Snapshot, listener: &str) -> Vec<Value> {
    let Some(listener) = snapshot.listeners.iter().find(|known| *known.name == *listener) else { return Vec::new() };
    let own = listener.guard.iter().map(|guard| (None, guard));
    let of_routes = listener.guarded.iter().filter_map(|route| Some((Some(&*route.text), route.guard.as_ref()?)));
    own.chain(of_routes).map(|(route, guard)| shown(route, guard)).collect()
}

fn shown(route: Option<&str>, guard: &Guard) -> Value {
    let counts =
        Denial::ALL.iter().zip(guard.denied.read()).map(|(why, count)| (why.as_str().to_owned(), json!(count)));
    std::iter::once(("route".to_owned(), json!(route))).chain(counts).collect::<Map<_, _>>().into()
}
