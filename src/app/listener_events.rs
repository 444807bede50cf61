//! The events of listeners, told when the configuration that changes them is in force.

use crate::admin::Listener;
use crate::event::{Events, Kind, ListenerChange, Subject};

/// Tells of each listener that was added or removed, or that has changed. Listeners are known by name; `changed` lists those with other settings.
pub(super) fn tell(before: &[Listener], after: &[Listener], changed: &[String], events: &Events) {
    let tell = |name: &str, change| events.tell(Subject::listener(&name.into()), Kind::Listener(change));
    let named = |all: &'_ [Listener], name: &str| all.iter().position(|listener| listener.name == name);
    for listener in after {
        let Listener { name, address, .. } = listener;
        let known = named(before, name).map(|at| &before[at]);
        match known {
            None => {
                let (protocol, tls) = (listener.protocol, listener.tls);
                tell(name, ListenerChange::Added { address: address.clone(), protocol, tls });
            }
            Some(known) if known.address != *address || changed.contains(name) => {
                let was = (known.address != *address).then(|| known.address.clone());
                tell(name, ListenerChange::Changed { address: address.clone(), was });
            }
            Some(_) => {}
        }
    }
    for gone in before.iter().filter(|listener| named(after, &listener.name).is_none()) {
        tell(&gone.name, ListenerChange::Removed { address: gone.address.clone() });
    }
}
