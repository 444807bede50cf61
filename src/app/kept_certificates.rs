//! Certificates that stay in force over a reload, whose files hold something at that moment that must not take their place.

use std::time::SystemTime;

use crate::config::model;

/// Leaves in force what `before` has of certificates that `next` has read as something that must not take their place.
pub(super) fn keep(next: &mut model::Config, before: &model::Config, wall: SystemTime) {
    for listener in &mut next.listeners {
        let of_before = before.listeners.iter().find(|known| known.name == listener.name);
        let of_before = of_before.and_then(|known| known.tls.as_ref());
        if let (Some(tls), Some(known)) = (&mut listener.tls, of_before) {
            tls.certificates = tls.sources.keep(std::mem::take(&mut tls.certificates), &known.certificates, wall);
        }
    }
    for service in &mut next.services {
        let of_before = before.services.iter().find(|known| known.name == service.name);
        let of_before = of_before.and_then(|known| known.tls.as_ref());
        if let (Some(tls), Some(known)) = (&mut service.tls, of_before) {
            let read = tls.client.take().into_iter().collect();
            tls.client = tls.sources.keep(read, known.client.as_slice(), wall).into_iter().next();
        }
    }
}
