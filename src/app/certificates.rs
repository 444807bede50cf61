//! The certificates in force, and what is told of them: that they have come or changed, and that they expire.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::gauge;
use rustls::pki_types::CertificateDer;

use crate::config::Diagnostics;
use crate::config::model;
use crate::event::{self, CertificateChange, Events, Kind, Subject};
use crate::metrics::{Registry, names};
use crate::tls::describe;

/// A certificate is said to expire when it is valid for less than this, or for less than a quarter of its lifetime where that is less. Who
/// renews it by ACME does so with a third of the lifetime left.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// The longest time between two looks at the dates: somebody may set the wall's clock.
const LOOK: Duration = Duration::from_secs(60);

/// All certificates in force. This is a handle: its copies share one list.
#[derive(Clone)]
pub(super) struct Certificates(Rc<Shared>);

struct Shared {
    events: Arc<Events>,
    in_force: RefCell<Vec<InForce>>,
}

/// A certificate that is shown.
struct InForce {
    /// Where: a listener, a service towards its backends, or (neither) the admin address.
    subject: Subject,
    certificate: event::Certificate,
    not_before: SystemTime,
    chain: Vec<CertificateDer<'static>>,
    /// The last validity that was told as an event.
    told: Validity,
}

/// How near the end of a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Validity {
    Good,
    Expiring,
    Expired,
}

impl Certificates {
    /// An empty list; changes are told to `events`.
    pub fn new(events: Arc<Events>) -> Self {
        Self(Rc::new(Shared { events, in_force: RefCell::default() }))
    }

    /// `config` is in force: tells which certificates are new or have changed since the last call, and which of them expire.
    pub fn commit(&self, config: &model::Config, registry: &Registry, now: SystemTime) {
        let mut before = self.0.in_force.take();
        let mut in_force = shown(config);
        for next in &mut in_force {
            let known = before.iter().position(|old| old.is_of_same_file(next)).map(|at| before.swap_remove(at));
            self.tell_change(next, known);
            next.measure();
        }
        let is_shown = |labels: &[String]| in_force.iter().any(|one| one.labels().iter().eq(labels));
        registry.keep(&names::CERTIFICATE_EXPIRY, is_shown);
        *self.0.in_force.borrow_mut() = in_force;
        self.look(now);
    }

    /// Tells that `next` is in force, unless it was so before. `known` is what was in force from the same file.
    fn tell_change(&self, next: &mut InForce, known: Option<InForce>) {
        let certificate = next.certificate.clone();
        let change = match known {
            Some(same) if same.chain == next.chain => return next.told = same.told,
            Some(old) => CertificateChange::Changed { certificate, was_valid_until: old.certificate.not_after },
            None => CertificateChange::Loaded(certificate),
        };
        self.0.events.tell(next.subject.clone(), Kind::Certificate(change));
    }

    /// Tells of certificates that expire, for as long as the process lives.
    pub async fn watch(self) {
        loop {
            tokio::time::sleep(self.pause(SystemTime::now())).await;
            self.look(SystemTime::now());
        }
    }

    /// The time until the next date at which there is something to tell, but not more than [`LOOK`].
    fn pause(&self, now: SystemTime) -> Duration {
        let in_force = self.0.in_force.borrow();
        let dates = in_force.iter().flat_map(|one| [one.expires_soon_from(), one.certificate.not_after]);
        // one second later, because a certificate is valid in the very last second
        let pauses = dates.filter_map(|date| (date + Duration::from_secs(1)).duration_since(now).ok());
        pauses.min().unwrap_or(LOOK).min(LOOK)
    }

    /// Tells of each certificate that expires soon, or has expired, once.
    fn look(&self, now: SystemTime) {
        for one in self.0.in_force.borrow_mut().iter_mut() {
            let validity = one.validity(now);
            if validity <= one.told {
                continue;
            }
            one.told = validity;
            let certificate = one.certificate.clone();
            let change = match validity {
                Validity::Expired => CertificateChange::Expired(certificate),
                Validity::Expiring | Validity::Good => CertificateChange::Expiring(certificate),
            };
            self.0.events.tell(one.subject.clone(), Kind::Certificate(change));
        }
    }
}

impl InForce {
    /// `None` where its dates can't be read: rustls and webpki take no such certificate.
    fn new(subject: Subject, certificate: &model::Certificate) -> Option<Self> {
        let (not_before, not_after) = describe::validity(certificate.chain.first()?)?;
        let path = certificate.path.display().to_string();
        let described = event::Certificate { path, names: certificate.names.clone(), not_after };
        let chain = certificate.chain.clone();
        Some(Self { subject, certificate: described, not_before, chain, told: Validity::Good })
    }

    fn is_of_same_file(&self, other: &Self) -> bool {
        self.subject == other.subject && self.certificate.path == other.certificate.path
    }

    fn expires_soon_from(&self) -> SystemTime {
        let lifetime = self.certificate.not_after.duration_since(self.not_before).unwrap_or_default();
        self.certificate.not_after.checked_sub(SOON.min(lifetime / 4)).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    fn validity(&self, now: SystemTime) -> Validity {
        match () {
            () if now > self.certificate.not_after => Validity::Expired,
            () if now > self.expires_soon_from() => Validity::Expiring,
            () => Validity::Good,
        }
    }

    /// The values of the labels of its series.
    fn labels(&self) -> [String; 3] {
        let name = |name: &Option<Arc<str>>| name.as_deref().unwrap_or_default().to_owned();
        [name(&self.subject.listener), name(&self.subject.service), self.certificate.path.clone()]
    }

    fn measure(&self) {
        let [listener, service, path] = self.labels();
        let not_after = self.certificate.not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        gauge!(names::CERTIFICATE_EXPIRY.name, "listener" => listener, "service" => service, "path" => path)
            .set(not_after.as_secs_f64());
    }
}

/// The certificates that a configuration shows to others.
fn shown(config: &model::Config) -> Vec<InForce> {
    let of_listeners = config.listeners.iter().filter_map(|listener| Some((listener, listener.tls.as_ref()?)));
    let of_listeners = of_listeners.flat_map(|(listener, tls)| {
        let subject = Subject::listener(&listener.name.as_str().into());
        tls.certificates.iter().map(move |certificate| (subject.clone(), certificate))
    });
    let of_services = config.services.iter().filter_map(|service| {
        let certificate = service.tls.as_ref()?.client.as_ref()?;
        Some((Subject::service(&service.name.as_str().into()), certificate))
    });
    let of_admin = config.admin.tls.iter().flat_map(|tls| &tls.certificates);
    let of_admin = of_admin.map(|certificate| (Subject::default(), certificate));
    let all = of_listeners.chain(of_services).chain(of_admin);
    all.filter_map(|(subject, certificate)| InForce::new(subject, certificate)).collect()
}

/// Tells of each mistake that is about a certificate, a key or an authority.
pub(super) fn tell_failed(mistakes: &Diagnostics, events: &Events) {
    for mistake in mistakes.iter().filter(|mistake| mistake.severity == crate::config::Severity::Error) {
        let last = mistake.path.rsplit('.').next().unwrap_or_default();
        let is_of_tls = mistake.path.contains("tls") && matches!(last, "cert" | "key" | "client_ca");
        if is_of_tls || last == "ca" {
            let (key, reason) = (mistake.path.clone(), mistake.message.clone());
            events.tell(Subject::default(), Kind::Certificate(CertificateChange::Failed { key, reason }));
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::PrivatePkcs8KeyDer;

    use super::*;
    use crate::config;

    const DAY: Duration = Duration::from_secs(86_400);

    fn day(number: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + 10_000 * DAY + number * DAY
    }

    /// A configuration whose one listener shows a certificate that is valid from day 0 to this one.
    fn valid_until(path: &str, days: u32) -> model::Config {
        let text = "[[listener]]\nname = 'web'\nbind = '127.0.0.1:1'\nservice = 's'\n[service.s]\nbackend = [{ address = '127.0.0.1:1' }]\n";
        let mut config = config::parse(text, std::path::Path::new("proxy.toml")).unwrap().config;
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (day(0).into(), day(days).into());
        let chain = vec![params.self_signed(&key).unwrap().der().clone()];
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let certificate = model::Certificate { chain, key, names: vec!["a.example".to_owned()], path: path.into() };
        config.listeners[0].tls = Some(model::ServerTls {
            certificates: vec![certificate],
            alpn: Vec::new(),
            tls12: true,
            client_auth: model::ClientAuth::Off,
            certificate_header: Default::default(),
        });
        config
    }

    fn kinds(certificates: &Certificates) -> Vec<&'static str> {
        let all = certificates.0.events.since(0, usize::MAX).events;
        assert!(all.iter().all(|event| event.subject == Subject::listener(&"web".into())));
        all.iter().map(|event| event.kind.name().trim_start_matches("certificate_")).collect()
    }

    #[test]
    fn a_certificate_is_told_of_when_it_comes_changes_and_nears_its_end_once_each() {
        let certificates = Certificates::new(Arc::default());
        let registry = Registry::new(1);
        let commit = |config: &model::Config, now| certificates.commit(config, &registry, now);
        let first = valid_until("a.pem", 90);
        commit(&first, day(1));
        commit(&first, day(2));
        assert_eq!(kinds(&certificates), ["loaded"]);
        certificates.look(day(76));
        assert_eq!(kinds(&certificates), ["loaded"], "the last two weeks have not begun");
        assert_eq!(certificates.pause(day(76)), Duration::from_secs(1), "they are about to");
        [77, 78, 90].into_iter().for_each(|at| certificates.look(day(at)));
        commit(&first, day(90));
        assert_eq!(kinds(&certificates), ["loaded", "expiring"], "on its last day it is valid");
        [91, 92].into_iter().for_each(|at| certificates.look(day(at)));
        assert_eq!(kinds(&certificates), ["loaded", "expiring", "expired"]);
        assert_eq!(certificates.pause(day(92)), LOOK);
    }

    #[test]
    fn a_renewed_certificate_in_the_same_file_has_changed_and_another_file_is_another_certificate() {
        let certificates = Certificates::new(Arc::default());
        let registry = Registry::new(1);
        for (config, now) in
            [(valid_until("a.pem", 8), 7), (valid_until("a.pem", 90), 8), (valid_until("b.pem", 9), 20)]
        {
            certificates.commit(&config, &registry, day(now));
        }
        assert_eq!(kinds(&certificates), ["loaded", "expiring", "changed", "loaded", "expired"]);
    }
}
