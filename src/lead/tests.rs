//! The election in a model: an etcd, a network and instances whose time is a number, under schedules that nobody would think of.
//!
//! What must hold at every moment: of all instances that would act, at most one has a token that no higher one has superseded; and nobody acts with
//! a lease that etcd may already have given up. And some time after the last trouble there is a leader.

use std::time::Duration;

use fastrand::Rng;

use super::elector::{Answer, Ask, Elector, Holder};
use super::timing::Timing;

const TTL: Duration = Duration::from_secs(5);
/// The time that passes between two looks at everything.
const STEP: Duration = Duration::from_millis(10);
/// How often etcd looks for leases that have run out.
const LESSOR: Duration = Duration::from_millis(500);

fn timing() -> Timing {
    Timing::new(TTL)
}

/// An etcd with one key. It may be dead, which its data outlives; leases last for their whole time again when it comes back, as etcd does it.
#[derive(Default)]
struct Etcd {
    is_dead: bool,
    revision: i64,
    /// Each lease with the time at which it ends.
    leases: Vec<(i64, Duration)>,
    next_lease: i64,
    key: Option<Holder>,
    /// The revisions at which the key was deleted, and when.
    deleted: Vec<(i64, Duration)>,
}

/// A message on its way.
struct Message<T> {
    arrives: Duration,
    what: T,
}

/// An instance, with the network between it and etcd.
struct Instance {
    name: String,
    elector: Elector,
    /// It is stopped until this time: no code of it runs.
    stopped_until: Duration,
    /// Nothing gets through in either direction until this time.
    cut_until: Duration,
    to_etcd: Vec<Message<(Ask, u64)>>,
    from_etcd: Vec<Message<(Answer, u64)>>,
    /// Which question is open, and until when it is waited for.
    open: Option<(u64, Duration)>,
    questions: u64,
    /// Deletions that its watch has told.
    watched: usize,
    is_resigning: bool,
}

struct World {
    random: Rng,
    now: Duration,
    etcd: Etcd,
    instances: Vec<Instance>,
    /// The highest token with which anybody has acted.
    highest: i64,
    acts: u64,
    looked: Duration,
}

impl Etcd {
    fn expire(&mut self, now: Duration) {
        self.leases.retain(|(_, until)| *until > now);
        let is_gone = self.key.as_ref().is_some_and(|key| self.leases.iter().all(|(lease, _)| *lease != key.lease));
        if is_gone {
            self.delete(now);
        }
    }

    fn delete(&mut self, now: Duration) {
        self.revision += 1;
        self.deleted.push((self.revision, now));
        self.key = None;
    }

    fn answer(&mut self, name: &str, ask: Ask, now: Duration) -> Answer {
        match ask {
            Ask::Look => Answer::Holder(self.key.clone(), self.revision),
            Ask::Grant => {
                self.next_lease += 1;
                self.leases.push((self.next_lease, now + TTL));
                Answer::Granted(self.next_lease, TTL)
            }
            Ask::Take(lease) if self.leases.iter().all(|(known, _)| *known != lease) => Answer::NoLease,
            Ask::Take(lease) => {
                if self.key.is_none() {
                    self.revision += 1;
                    self.key = Some(Holder { name: name.to_owned(), token: self.revision, lease });
                }
                Answer::Holder(self.key.clone(), self.revision)
            }
            Ask::Renew(lease) => {
                let known = self.leases.iter_mut().find(|(known, _)| *known == lease);
                let ttl = known.map_or(Duration::ZERO, |(_, until)| {
                    *until = now + TTL;
                    TTL
                });
                Answer::Renewed(ttl, self.key.clone(), self.revision)
            }
            Ask::Revoke(lease) => {
                self.leases.retain(|(known, _)| *known != lease);
                self.expire(now);
                Answer::Revoked
            }
        }
    }
}

impl Instance {
    fn new(name: String, now: Duration) -> Self {
        Self {
            name,
            elector: Elector::new(timing(), now),
            stopped_until: Duration::ZERO,
            cut_until: Duration::ZERO,
            to_etcd: Vec::new(),
            from_etcd: Vec::new(),
            open: None,
            questions: 0,
            watched: 0,
            is_resigning: false,
        }
    }

    /// Runs the code of the instance once.
    fn turn(&mut self, etcd: &Etcd, random: &mut Rng, now: Duration) {
        let arrived: Vec<_> = self.from_etcd.extract_if(.., |message| message.arrives <= now).collect();
        for Message { what: (answer, number), .. } in arrived {
            if self.open.is_some_and(|(open, _)| open == number) {
                self.open = None;
                self.elector.hear(answer, now);
            }
        }
        if self.open.is_some_and(|(_, until)| now >= until) {
            self.open = None;
            self.elector.hear(Answer::Nothing, now);
        }
        if self.elector.watched_after().is_some() && now >= self.cut_until {
            // a watch tells a little later
            for (revision, at) in etcd.deleted.iter().skip(self.watched) {
                if *at + Duration::from_millis(30) <= now {
                    self.watched += 1;
                    if self.elector.watched_after().is_some_and(|after| *revision > after) {
                        self.elector.key_is_gone(*revision, now);
                    }
                }
            }
        }
        if let Some(ask) = self.elector.poll(now) {
            self.questions += 1;
            self.open = Some((self.questions, now + self.elector.patience()));
            // the process may be stopped between looking at the clock and sending
            let arrives = now + millis(random, 1..40);
            self.to_etcd.push(Message { arrives, what: (ask, self.questions) });
        }
    }

    /// Whether it would act if its code ran now.
    fn acts(&self, now: Duration) -> Option<i64> {
        self.elector.term(now).map(|term| term.token)
    }
}

fn millis(random: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.u64(range))
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let now = Duration::from_secs(100);
        let count = random.usize(1..5);
        let instances = (0..count).map(|n| Instance::new(format!("i{n}"), now)).collect();
        let etcd = Etcd { revision: 1, ..Etcd::default() };
        Self { random, now, etcd, instances, highest: 0, acts: 0, looked: now }
    }

    fn step(&mut self) {
        self.now += STEP;
        let now = self.now;
        if !self.etcd.is_dead && now >= self.looked + LESSOR {
            self.looked = now;
            self.etcd.expire(now);
        }
        for at in 0..self.instances.len() {
            let instance = &mut self.instances[at];
            let arrived: Vec<_> = instance.to_etcd.extract_if(.., |message| message.arrives <= now).collect();
            for Message { what: (ask, number), .. } in arrived {
                // what is lost is lost on the way there or on the way back
                if self.etcd.is_dead || now < instance.cut_until && self.random.bool() {
                    continue;
                }
                let answer = self.etcd.answer(&instance.name, ask, now);
                if now >= instance.cut_until {
                    let arrives = now + millis(&mut self.random, 1..40);
                    instance.from_etcd.push(Message { arrives, what: (answer, number) });
                }
            }
            if now >= instance.stopped_until {
                instance.turn(&self.etcd, &mut self.random, now);
            }
        }
        self.check();
    }

    /// Whoever runs would act at this very moment.
    fn check(&mut self) {
        let now = self.now;
        let running = self.instances.iter().filter(|instance| now >= instance.stopped_until);
        let acting: Vec<_> = running.filter_map(|instance| Some((instance, instance.acts(now)?))).collect();
        assert!(acting.len() <= 1, "at {now:?} {} instances act", acting.len());
        for (instance, token) in acting {
            assert!(token >= self.highest, "{} acts with {token} after {}", instance.name, self.highest);
            self.highest = token;
            self.acts += 1;
            let key = self.etcd.key.as_ref().filter(|key| key.token == token);
            assert!(key.is_some(), "{} acts with a key that is gone", instance.name);
            if let Some(key) = key.filter(|_| !self.etcd.is_dead) {
                let until = self.etcd.leases.iter().find(|(lease, _)| *lease == key.lease).map(|(_, until)| *until);
                assert!(until.is_some_and(|until| until > now), "{} acts with a lease that is over", instance.name);
            }
        }
    }

    fn trouble(&mut self) {
        let (now, ttl) = (self.now, TTL.as_millis() as u64);
        let at = self.random.usize(..self.instances.len());
        let long = now + millis(&mut self.random, 50..3 * ttl);
        let instance = &mut self.instances[at];
        match self.random.u8(..9) {
            0 | 1 => instance.stopped_until = long,
            2 | 3 => instance.cut_until = long,
            4 => self.etcd.is_dead = true,
            5 if self.etcd.is_dead => {
                self.etcd.is_dead = false;
                // a new leader of etcd gives each lease its whole time again
                self.etcd.leases.iter_mut().for_each(|(_, until)| *until = now + TTL);
            }
            // the process is killed and started anew
            6 => *instance = Instance { watched: self.etcd.deleted.len(), ..Instance::new(instance.name.clone(), now) },
            7 if !instance.is_resigning && now >= instance.stopped_until => {
                instance.elector.resign(now);
                (instance.is_resigning, instance.open) = (true, None);
            }
            _ => {}
        }
    }

    /// All trouble is over.
    fn heal(&mut self) {
        self.etcd.is_dead = false;
        for instance in &mut self.instances {
            (instance.stopped_until, instance.cut_until) = (self.now, self.now);
            if instance.is_resigning {
                *instance =
                    Instance { watched: self.etcd.deleted.len(), ..Instance::new(instance.name.clone(), self.now) };
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step();
        }
    }

    fn leader(&self) -> Option<usize> {
        self.instances.iter().position(|instance| instance.acts(self.now).is_some())
    }

    /// How long it takes until somebody leads, if that is not longer than `most`.
    fn until_led(&mut self, most: Duration) -> Option<Duration> {
        let began = self.now;
        while self.leader().is_none() {
            if self.now - began > most {
                return None;
            }
            self.step();
        }
        Some(self.now - began)
    }
}

#[test]
fn never_do_two_act_and_there_is_a_leader_when_the_trouble_is_over() {
    let mut acts = 0;
    for seed in 0..2_000 {
        let mut world = World::new(seed);
        for _ in 0..world.random.usize(1..25) {
            world.trouble();
            let pause = millis(&mut world.random, 10..4_000);
            world.run(pause);
        }
        world.heal();
        let led = world.until_led(TTL + Duration::from_secs(1));
        assert!(led.is_some(), "seed {seed}: nobody leads after {TTL:?} and a second");
        acts += world.acts;
    }
    assert!(acts > 1_000_000, "{acts} moments at which somebody would have acted");
}

#[test]
fn another_leads_within_the_lease_and_a_second_when_the_leader_is_killed() {
    for seed in 0..300 {
        let mut world = World::new(seed);
        world.instances.push(Instance::new("another".to_owned(), world.now));
        let time = millis(&mut world.random, 2_000..10_000);
        world.run(time);
        let leader = world.leader().unwrap_or_else(|| panic!("seed {seed}: nobody leads"));
        world.instances.remove(leader);
        let led = world.until_led(TTL + Duration::from_secs(1));
        assert!(led.is_some(), "seed {seed}");
    }
}

#[test]
fn another_leads_at_once_when_the_leader_resigns() {
    for seed in 0..300 {
        let mut world = World::new(seed);
        world.instances.push(Instance::new("another".to_owned(), world.now));
        world.run(Duration::from_secs(4));
        let leader = world.leader().unwrap();
        let now = world.now;
        world.instances[leader].elector.resign(now);
        world.instances[leader].open = None;
        assert!(world.instances[leader].acts(now).is_none(), "nothing is done from that moment on");
        assert!(world.until_led(Duration::from_millis(500)).is_some(), "seed {seed}");
        assert_ne!(world.leader(), Some(leader));
    }
}

#[test]
fn a_leader_that_was_stopped_beyond_its_lease_does_nothing_when_it_wakes() {
    let mut world = World::new(7);
    world.run(Duration::from_secs(2));
    let leader = world.leader().unwrap();
    let until = world.instances[leader].elector.term(world.now).unwrap().until;
    assert!(until <= world.now + TTL - timing().margin(), "the margin is kept");
    assert!(world.instances[leader].elector.term(until).is_none(), "without that anything was told to it");
}

#[test]
fn a_key_that_a_person_deletes_ends_leadership() {
    let now = Duration::from_secs(9);
    let mut elector = Elector::new(timing(), now);
    let answers = [Answer::Holder(None, 4), Answer::Granted(77, TTL)];
    for answer in answers {
        elector.poll(now).unwrap();
        elector.hear(answer, now);
    }
    assert_eq!(elector.poll(now), Some(Ask::Take(77)));
    let ours = Holder { name: "a".to_owned(), token: 5, lease: 77 };
    elector.hear(Answer::Holder(Some(ours.clone()), 5), now);
    assert_eq!(elector.term(now).unwrap().token, 5);
    elector.key_is_gone(3, now);
    assert!(elector.term(now).is_some(), "that was the key of somebody before us");
    let later = now + timing().every();
    assert_eq!(elector.poll(later), Some(Ask::Renew(77)));
    elector.key_is_gone(6, later);
    assert_eq!((elector.term(later), elector.take_loss()), (None, Some("the key was deleted")));
    elector.hear(Answer::Renewed(TTL, Some(ours), 5), later);
    assert_eq!(elector.term(later), None, "the answer had been sent before the key was deleted");
}

#[test]
fn an_answer_that_comes_too_late_is_counted_from_when_the_question_was_sent() {
    let now = Duration::from_secs(9);
    let mut elector = Elector::new(timing(), now);
    for answer in [Answer::Holder(None, 4), Answer::Granted(77, TTL)] {
        elector.poll(now).unwrap();
        elector.hear(answer, now);
    }
    elector.poll(now).unwrap();
    let late = now + TTL;
    elector.hear(Answer::Holder(Some(Holder { name: "a".to_owned(), token: 5, lease: 77 }), 5), late);
    assert_eq!(elector.term(late), None);
    assert_eq!(elector.poll(late), Some(Ask::Renew(77)), "it may be ours still");
}

/// An elector that leads with this token at `now`, with the lease 77.
fn leading(token: i64, now: Duration) -> Elector {
    let mut elector = Elector::new(timing(), now);
    for answer in [Answer::Holder(None, token - 1), Answer::Granted(77, TTL), ours(77, token)] {
        elector.poll(now).unwrap();
        elector.hear(answer, now);
    }
    assert_eq!(elector.term(now).map(|term| term.token), Some(token));
    elector
}

/// The key with this lease and token.
fn ours(lease: i64, token: i64) -> Answer {
    Answer::Holder(Some(Holder { name: "a".to_owned(), token, lease }), token)
}

#[test]
fn a_watch_that_breaks_after_days_begins_with_what_the_last_renewal_has_told() {
    let now = Duration::from_secs(9);
    let mut elector = leading(5, now);
    assert_eq!(elector.watched_after(), Some(5));
    let later = now + timing().every();
    assert_eq!(elector.poll(later), Some(Ask::Renew(77)));
    let holder = Holder { name: "a".to_owned(), token: 5, lease: 77 };
    elector.hear(Answer::Renewed(TTL, Some(holder), 4_000), later);
    assert_eq!(elector.watched_after(), Some(4_000), "etcd may have forgotten what is older");
}

#[test]
fn who_may_read_the_key_and_not_make_it_has_an_etcd_that_does_not_answer() {
    let now = Duration::from_secs(9);
    let (mut elector, mut at, mut asked) = (Elector::new(timing(), now), now, 0);
    while at < now + TTL {
        at += STEP;
        match elector.poll(at) {
            Some(Ask::Look) => elector.hear(Answer::Holder(None, 4), at),
            Some(Ask::Grant) => elector.hear(Answer::Granted(77, TTL), at),
            Some(_) => elector.hear(Answer::Nothing, at),
            None => continue,
        }
        asked += 1;
    }
    assert!(elector.silence(at) >= timing().gone_after(), "it is told");
    assert!(asked < 30, "{asked} questions in {TTL:?}");
}

#[test]
fn a_lease_that_etcd_has_lost_is_replaced_at_once() {
    let now = Duration::from_secs(9);
    let mut elector = Elector::new(timing(), now);
    for answer in [Answer::Holder(None, 4), Answer::Granted(77, TTL), Answer::NoLease] {
        elector.poll(now).unwrap();
        elector.hear(answer, now);
    }
    assert_eq!(elector.poll(now), Some(Ask::Grant));
}

#[test]
fn another_endpoint_is_asked_to_take_the_key_back_when_one_does_not_answer() {
    let now = Duration::from_secs(9);
    let mut elector = leading(5, now);
    elector.resign(now);
    assert_eq!(elector.poll(now), Some(Ask::Revoke(77)));
    elector.hear(Answer::Nothing, now);
    assert!(!elector.is_over());
    let later = elector.wakes();
    assert_eq!(elector.poll(later), Some(Ask::Revoke(77)));
    elector.hear(Answer::Nothing, later);
    let later = elector.wakes();
    assert_eq!(elector.poll(later), Some(Ask::Revoke(77)));
    elector.hear(Answer::Nothing, later);
    assert!(elector.is_over(), "it runs out by itself");
}

#[test]
fn an_etcd_that_answers_slowly_elects_a_leader_all_the_same() {
    let now = Duration::from_secs(9);
    let (mut elector, mut at) = (Elector::new(timing(), now), now);
    let slow = timing().patience() + Duration::from_millis(200);
    let mut took = 0;
    for _ in 0..30 {
        at = at.max(elector.wakes());
        let Some(ask) = elector.poll(at) else { continue };
        let patience = elector.patience();
        at += slow.min(patience);
        let answer = match ask {
            _ if slow > patience => Answer::Nothing,
            Ask::Look => Answer::Holder(None, 4),
            Ask::Grant => Answer::Granted(77, TTL),
            _ => ours(77, 5),
        };
        elector.hear(answer, at);
        took += 1;
        if elector.term(at).is_some() {
            return;
        }
    }
    panic!("nobody leads after {took} questions");
}

#[test]
fn a_token_that_is_lower_than_one_that_was_seen_is_given_back_unused() {
    let now = Duration::from_secs(9);
    let mut elector = leading(4_711, now);
    let later = now + timing().every();
    // etcd was restored from an old copy, in which nobody has the key
    assert_eq!(elector.poll(later), Some(Ask::Renew(77)));
    elector.hear(Answer::Renewed(Duration::ZERO, None, 17), later);
    for (ask, answer) in
        [(Ask::Look, Answer::Holder(None, 17)), (Ask::Grant, Answer::Granted(78, TTL)), (Ask::Take(78), ours(78, 18))]
    {
        assert_eq!(elector.poll(later), Some(ask));
        elector.hear(answer, later);
        assert_eq!(elector.term(later), None, "{ask:?}");
    }
    assert_eq!(elector.is_behind(), Some(4_711));
    assert_eq!(elector.poll(later), Some(Ask::Revoke(78)));
    elector.hear(Answer::Revoked, later);
    assert_eq!(elector.poll(later), None, "not again and again at once");
    let later = elector.wakes();
    for answer in [Answer::Holder(None, 5_000), Answer::Granted(79, TTL), ours(79, 5_001)] {
        elector.poll(later).unwrap();
        elector.hear(answer, later);
    }
    assert_eq!(elector.term(later).map(|term| term.token), Some(5_001));
}

#[test]
fn a_key_that_was_made_anew_under_our_lease_is_not_the_one_that_we_lead_by() {
    let now = Duration::from_secs(9);
    let mut elector = leading(5, now);
    let later = now + timing().every();
    elector.poll(later).unwrap();
    let holder = Holder { name: "a".to_owned(), token: 9, lease: 77 };
    elector.hear(Answer::Renewed(TTL, Some(holder), 9), later);
    assert_eq!(elector.term(later), None);
}

#[test]
fn a_lease_that_was_granted_long_ago_is_prolonged_before_it_runs_out() {
    let now = Duration::from_secs(9);
    let mut elector = Elector::new(timing(), now);
    let other = Holder { name: "b".to_owned(), token: 5, lease: 3 };
    for answer in [Answer::Holder(None, 4), Answer::Granted(77, TTL), Answer::Holder(Some(other), 5)] {
        elector.poll(now).unwrap();
        elector.hear(answer, now);
    }
    assert_eq!(elector.term(now), None, "somebody was faster");
    let later = now + TTL - timing().margin() - Duration::from_millis(500);
    elector.key_is_gone(6, later);
    assert_eq!(elector.poll(later), Some(Ask::Take(77)));
    elector.hear(ours(77, 7), later);
    assert_eq!(elector.term(later).map(|term| term.token), Some(7));
    assert_eq!(
        elector.poll(later),
        Some(Ask::Renew(77)),
        "it lasts for half a second, and not for a third of the lease"
    );
}
