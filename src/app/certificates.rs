//! The certificates in force, and what is told of them: that they have come or changed, and that they expire.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::gauge;

use crate::certificate::Certificate;
use crate::config::Diagnostics;
use crate::config::model;
use crate::event::{self, CertificateChange, Events, Kind, Subject};
use crate::metrics::{Registry, names};

/// A certificate is said to expire when it is valid for less than each of these. Who renews it by ACME does so with a third of its lifetime left.
const STEPS: [Duration; 3] = [Duration::from_secs(21 * DAY), Duration::from_secs(7 * DAY), Duration::from_secs(DAY)];

/// Seconds.
const DAY: u64 = 86_400;

/// Of a certificate that is made for less than this, all steps are shorter in proportion, so that the first is a quarter of its lifetime: one for six days
/// is told of with a day and a half left.
const LIFETIME: Duration = Duration::from_secs(84 * DAY);

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
    is: Arc<Certificate>,
    /// How many of its last dates had passed when that was told as an event.
    told: usize,
}

impl Certificates {
    /// An empty list; changes are told to `events`.
    pub fn new(events: Arc<Events>) -> Self {
        Self(Rc::new(Shared { events, in_force: RefCell::default() }))
    }

    /// `config` is in force: tells which certificates are new or have changed since the last call, and which of them expire.
    pub fn commit(&self, config: &model::Config, registry: &Registry, now: SystemTime) {
        let before = self.0.in_force.take();
        let mut before: HashMap<_, _> = before.into_iter().map(|one| (one.labels(), one)).collect();
        let mut in_force = shown(config);
        let mut labels = HashSet::with_capacity(in_force.len());
        for next in &mut in_force {
            let of_next = next.labels();
            self.tell_change(next, before.remove(&of_next));
            next.measure();
            labels.insert(of_next);
        }
        let is_shown = |of: &[String]| <&[String; 3]>::try_from(of).is_ok_and(|of| labels.contains(of));
        registry.keep(&names::CERTIFICATE_EXPIRY, is_shown);
        *self.0.in_force.borrow_mut() = in_force;
        self.look(now);
    }

    /// Tells that `next` is in force, unless it was so before. `known` is what was in force from the same file.
    fn tell_change(&self, next: &mut InForce, known: Option<InForce>) {
        let certificate = next.certificate.clone();
        let change = match known {
            Some(same) if same.is.chain() == next.is.chain() => return next.told = same.told,
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
        let dates = in_force.iter().flat_map(InForce::last_dates);
        // one second later, because a certificate is valid in the very last second
        let pauses = dates.filter_map(|date| (date + Duration::from_secs(1)).duration_since(now).ok());
        pauses.min().unwrap_or(LOOK).min(LOOK)
    }

    /// Tells of each certificate that expires soon, or has expired, once.
    fn look(&self, now: SystemTime) {
        for one in self.0.in_force.borrow_mut().iter_mut() {
            let passed = one.passed(now);
            if passed <= one.told {
                continue;
            }
            one.told = passed;
            let certificate = one.certificate.clone();
            let change = match certificate.not_after.duration_since(now) {
                Ok(left) => CertificateChange::Expiring { certificate, days_left: left.as_secs() / DAY },
                Err(_) => CertificateChange::Expired(certificate),
            };
            self.0.events.tell(one.subject.clone(), Kind::Certificate(change));
        }
    }
}

impl InForce {
    /// `None` where its dates can't be read: rustls and webpki take no such certificate.
    fn new(subject: Subject, certificate: &Arc<Certificate>) -> Option<Self> {
        let (not_before, not_after) = certificate.validity?;
        let path = certificate.path().display().to_string();
        let described = event::Certificate { path, names: certificate.names.clone(), not_after };
        Some(Self { subject, certificate: described, not_before, is: Arc::clone(certificate), told: 0 })
    }

    /// The dates from which on it expires soon, in their order, and the one on which it expires.
    fn last_dates(&self) -> [SystemTime; STEPS.len() + 1] {
        let not_after = self.certificate.not_after;
        let lifetime = not_after.duration_since(self.not_before).unwrap_or_default();
        let part = (lifetime.as_secs_f64() / LIFETIME.as_secs_f64()).min(1.0);
        let mut dates = [not_after; STEPS.len() + 1];
        for (date, step) in dates.iter_mut().zip(STEPS) {
            *date = not_after.checked_sub(step.mul_f64(part)).unwrap_or(SystemTime::UNIX_EPOCH);
        }
        dates
    }

    /// How many of these dates have passed.
    fn passed(&self, now: SystemTime) -> usize {
        self.last_dates().iter().filter(|date| now > **date).count()
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
    use crate::certificate::files::PairFiles;
    use crate::certificate::keeper::Sources;
    use crate::config;

    const DAY: Duration = Duration::from_secs(super::DAY);

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
        let files = PairFiles { cert: path.into(), key: "a.key".into(), ocsp: None };
        let certificate = Arc::new(Certificate::new(chain, key, files).unwrap());
        config.listeners[0].tls = Some(model::ServerTls {
            certificates: vec![certificate],
            sources: Sources::default(),
            alpn: Vec::new(),
            tls12: true,
            client_auth: model::ClientAuth::Off,
            ciphers: Vec::new(),
            groups: Vec::new(),
            ticket_keys: None,
            key_log: None,
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
        // three weeks, a week and a day before the end of day 90
        certificates.look(day(69));
        assert_eq!(kinds(&certificates), ["loaded"], "the last three weeks have not begun");
        assert_eq!(certificates.pause(day(69)), Duration::from_secs(1), "they are about to");
        [70, 71, 83].into_iter().for_each(|at| certificates.look(day(at)));
        assert_eq!(kinds(&certificates), ["loaded", "expiring"]);
        commit(&first, day(83));
        [84, 85, 89].into_iter().for_each(|at| certificates.look(day(at)));
        assert_eq!(kinds(&certificates), ["loaded", "expiring", "expiring"]);
        assert_eq!(days_left(&certificates), [20, 6]);
        certificates.look(day(89) + Duration::from_secs(1));
        commit(&first, day(90));
        assert_eq!(
            days_left(&certificates),
            [20, 6, 0],
            "on its last day it is valid, and a reload tells nothing anew"
        );
        [91, 92].into_iter().for_each(|at| certificates.look(day(at)));
        assert_eq!(kinds(&certificates), ["loaded", "expiring", "expiring", "expiring", "expired"]);
        assert_eq!(certificates.pause(day(92)), LOOK);
    }

    fn days_left(certificates: &Certificates) -> Vec<u64> {
        let all = certificates.0.events.since(0, usize::MAX).events;
        let left = all.iter().filter_map(|event| match &event.kind {
            Kind::Certificate(CertificateChange::Expiring { days_left, .. }) => Some(*days_left),
            _ => None,
        });
        left.collect()
    }

    #[test]
    fn a_certificate_that_is_made_for_a_few_days_is_told_of_in_proportion() {
        let certificates = Certificates::new(Arc::default());
        let config = valid_until("a.pem", 4);
        let told_at = |hours: u32| {
            certificates.commit(&config, &Registry::new(1), day(0) + Duration::from_secs(3600) * hours);
            kinds(&certificates).len()
        };
        // a quarter of its lifetime is left after 72 hours, a twelfth after 88, 69 minutes after 94.9
        assert_eq!([0, 71, 73, 87, 89, 94, 95, 97].map(told_at), [1, 1, 2, 2, 3, 3, 4, 5]);
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
