use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::operator::{Command, Note};
use crate::share::word::Saying;

fn topic(name: &str) -> Topic {
    Topic::Backend("app".into(), name.into())
}

fn word(instance: &str, command: Command, at: u64) -> Word {
    let note = Note { who: "ci".to_owned(), reason: None, until: None };
    Word { saying: Saying::Holds(command), note, instance: instance.to_owned(), at }
}

fn drain(instance: &str, at: u64) -> Word {
    word(instance, Command::Drain, at)
}

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

#[test]
fn a_word_is_put_once_and_its_echo_is_not_followed() {
    let mut book = Book::default();
    let said = book.say(topic("a"), drain("one", 5));
    assert_eq!(book.pending(NOW), [(topic("a"), said.clone(), 0)]);
    book.put(&topic("a"), &said, 7);
    assert_eq!((book.pending(NOW), book.waiting()), (vec![], 0));
    assert_eq!(book.heard(topic("a"), said, 7), None);
}

#[test]
fn an_echo_that_comes_before_the_answer_is_enough() {
    let mut book = Book::default();
    let said = book.say(topic("a"), drain("one", 5));
    assert_eq!(book.heard(topic("a"), said.clone(), 7), None);
    assert_eq!(book.waiting(), 0);
    book.put(&topic("a"), &said, 7);
    assert_eq!(book.get(&topic("a")).unwrap().revision, 7);
}

#[test]
fn a_followed_word_is_not_put_again() {
    let mut book = Book::default();
    let theirs = drain("two", 5);
    assert_eq!(book.heard(topic("a"), theirs.clone(), 7), Some(Effect::Follow(topic("a"), theirs.clone())));
    assert_eq!(book.heard(topic("a"), theirs, 7), None);
    assert_eq!(book.pending(NOW), []);
}

#[test]
fn a_word_replaces_one_that_it_answers_whatever_the_clock_says() {
    let mut book = Book::default();
    book.heard(topic("a"), drain("two", 1_000_000), 7);
    let said = book.say(topic("a"), word("one", Command::Enable, 5));
    assert_eq!(said.at, 1_000_001);
    assert_eq!(book.pending(NOW), [(topic("a"), said, 7)]);
}

#[test]
fn of_two_words_that_did_not_know_of_each_other_the_later_one_stays() {
    let mut book = Book::default();
    let own = book.say(topic("a"), drain("one", 5));
    assert_eq!(book.heard(topic("a"), word("two", Command::Enable, 4), 8), None);
    assert_eq!(book.pending(NOW), [(topic("a"), own, 8)], "it is put over the older one");
    let newer = word("two", Command::Disable, 6);
    assert_eq!(book.heard(topic("a"), newer.clone(), 9), Some(Effect::Follow(topic("a"), newer)));
    assert_eq!(book.pending(NOW), []);
}

#[test]
fn what_is_gone_is_forgotten_unless_it_waits_to_be_put() {
    let mut book = Book::default();
    book.heard(topic("a"), drain("two", 5), 7);
    assert_eq!(book.gone(&topic("a"), 7), None, "old news");
    assert_eq!(book.gone(&topic("a"), 8), Some(Effect::Forget(topic("a"), drain("two", 5))));
    book.heard(topic("b"), drain("two", 5), 9);
    let own = book.say(topic("b"), word("one", Command::Enable, 6));
    assert_eq!(book.gone(&topic("b"), 10), None);
    assert_eq!(book.pending(NOW), [(topic("b"), own, 0)]);
}

#[test]
fn after_an_outage_what_was_taken_back_meanwhile_does_not_hold_and_what_waited_is_put() {
    let mut book = Book::default();
    book.heard(topic("a"), drain("two", 1), 3);
    book.heard(topic("b"), drain("two", 1), 4);
    let own = book.say(topic("c"), drain("one", 2));
    let changed = word("two", Command::Enable, 3);
    let effects = book.synced(vec![(topic("b"), Some(changed.clone()), 9)], 12);
    assert_eq!(effects, [Effect::Forget(topic("a"), drain("two", 1)), Effect::Follow(topic("b"), changed.clone())]);
    assert_eq!(book.pending(NOW), [(topic("c"), own, 0)]);
    assert_eq!(book.synced(vec![(topic("b"), Some(changed), 9)], 13), []);
}

#[test]
fn an_etcd_that_has_lost_everything_gets_it_back() {
    let mut book = Book::default();
    book.heard(topic("a"), drain("two", 1), 300);
    assert_eq!(book.synced(Vec::new(), 1), []);
    assert_eq!(book.pending(NOW), [(topic("a"), drain("two", 1), 0)]);
}

#[test]
fn what_can_not_be_read_is_not_followed_and_can_be_replaced() {
    let mut book = Book::default();
    assert_eq!(book.synced(vec![(topic("a"), None, 7)], 9), []);
    assert!(book.is_empty());
    let own = book.say(topic("a"), drain("one", 2));
    book.unreadable(&topic("a"), 7);
    assert_eq!(book.pending(NOW), [(topic("a"), own, 7)]);
}

#[test]
fn what_is_over_before_it_could_be_put_is_not_put() {
    let mut book = Book::default();
    let mut own = drain("one", 2);
    own.note.until = Some(NOW);
    book.say(topic("a"), own);
    assert_eq!(book.pending(NOW), []);
    assert!(book.is_empty());
}

#[test]
fn there_is_a_bound() {
    let mut book = Book::default();
    for n in 0..MOST + 5 {
        book.heard(topic(&n.to_string()), drain("two", 1), 1 + n as i64);
    }
    assert_eq!(book.len(), MOST);
}

/// etcd, as far as it matters here.
#[derive(Default)]
struct Etcd {
    revision: i64,
    keys: BTreeMap<Topic, (Word, i64)>,
}

struct Member {
    name: &'static str,
    book: Book,
    /// What the operators of this instance go by.
    holds: BTreeMap<Topic, Word>,
    /// What the watch has still to tell; `None` = it is cut off.
    watch: Option<VecDeque<(Topic, Option<Word>, i64)>>,
    /// Its clock is so much ahead.
    ahead: u64,
}

impl Member {
    fn obey(&mut self, effects: impl IntoIterator<Item = Effect>) {
        for effect in effects {
            match effect {
                Effect::Follow(topic, word) => _ = self.holds.insert(topic, word),
                Effect::Forget(topic, _) => _ = self.holds.remove(&topic),
            }
        }
    }

    fn connect(&mut self, etcd: &Etcd) {
        let all = etcd.keys.iter().map(|(topic, (word, at))| (topic.clone(), Some(word.clone()), *at)).collect();
        let effects = self.book.synced(all, etcd.revision);
        self.obey(effects);
        self.watch = Some(VecDeque::new());
    }

    fn deliver(&mut self) -> bool {
        let Some((topic, word, revision)) = self.watch.as_mut().and_then(VecDeque::pop_front) else { return false };
        let effect = match word {
            Some(word) => self.book.heard(topic, word, revision),
            None => self.book.gone(&topic, revision),
        };
        self.obey(effect);
        true
    }
}

struct World {
    etcd: Etcd,
    members: Vec<Member>,
    said: usize,
    /// How often a key was deleted by hand. A word of which it is not known whether it was put is put again then, by each that has said one.
    deleted: usize,
    puts: usize,
    clock: u64,
}

impl World {
    fn announce(&mut self, topic: &Topic, word: Option<&Word>) {
        for watch in self.members.iter_mut().filter_map(|member| member.watch.as_mut()) {
            watch.push_back((topic.clone(), word.cloned(), self.etcd.revision));
        }
    }

    fn say(&mut self, at: usize, topic: Topic, command: Command) {
        self.clock += 1;
        self.said += 1;
        let member = &mut self.members[at];
        let word = member.book.say(topic.clone(), word(member.name, command, self.clock + member.ahead));
        member.holds.insert(topic, word);
    }

    /// One word is put; the answer may be lost.
    fn put(&mut self, at: usize, is_lost: bool) -> bool {
        if self.members[at].watch.is_none() {
            return false;
        }
        let Some((topic, word, revision)) = self.members[at].book.pending(NOW).into_iter().next() else { return false };
        let known = self.etcd.keys.get(&topic).map_or(0, |(_, revision)| *revision);
        if known == revision {
            self.puts += 1;
            self.etcd.revision += 1;
            let now = self.etcd.revision;
            self.etcd.keys.insert(topic.clone(), (word.clone(), now));
            self.announce(&topic, Some(&word));
            if !is_lost {
                self.members[at].book.put(&topic, &word, now);
            }
        } else if !is_lost {
            let effect = match self.etcd.keys.get(&topic).cloned() {
                Some((word, revision)) => self.members[at].book.heard(topic, word, revision),
                None => self.members[at].book.gone(&topic, i64::MAX),
            };
            self.members[at].obey(effect);
        }
        true
    }

    fn delete(&mut self, topic: Topic) {
        if self.etcd.keys.remove(&topic).is_some() {
            self.deleted += 1;
            self.etcd.revision += 1;
            self.announce(&topic, None);
        }
    }
}

#[derive(Debug, Clone)]
enum Act {
    Say(usize, usize, bool),
    Put(usize, bool),
    Deliver(usize),
    Cut(usize),
    Connect(usize),
    Delete(usize),
    Restart(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (0..3_usize, 0..2_usize, any::<bool>()).prop_map(|(at, topic, drains)| Act::Say(at, topic, drains)),
        (0..3_usize, any::<bool>()).prop_map(|(at, is_lost)| Act::Put(at, is_lost)),
        (0..3_usize).prop_map(Act::Deliver),
        (0..3_usize).prop_map(Act::Cut),
        (0..3_usize).prop_map(Act::Connect),
        (0..2_usize).prop_map(Act::Delete),
        (0..3_usize).prop_map(Act::Restart),
    ];
    prop::collection::vec(act, 0..60)
}

proptest! {
    #[test]
    fn all_instances_come_to_the_same_and_no_word_goes_round(acts in acts(), ahead in prop::array::uniform3(0..20_u64)) {
        let member = |(name, ahead)| Member { name, book: Book::default(), holds: BTreeMap::new(), watch: None, ahead };
        let members = ["one", "two", "three"].into_iter().zip(ahead).map(member).collect();
        let mut world = World { etcd: Etcd::default(), members, said: 0, deleted: 0, puts: 0, clock: 0 };
        let topics = [topic("a"), topic("b")];
        for act in acts {
            match act {
                Act::Say(at, topic, drains) => {
                    let command = if drains { Command::Drain } else { Command::Enable };
                    world.say(at, topics[topic].clone(), command);
                }
                Act::Put(at, is_lost) => _ = world.put(at, is_lost),
                Act::Deliver(at) => _ = world.members[at].deliver(),
                Act::Cut(at) => world.members[at].watch = None,
                Act::Connect(at) => world.members[at].connect(&world.etcd),
                Act::Delete(topic) => world.delete(topics[topic].clone()),
                Act::Restart(at) => {
                    let known: Vec<_> =
                        world.members[at].book.entries().map(|(topic, entry)| (topic.clone(), entry.clone())).collect();
                    (world.members[at].book, world.members[at].watch) = (Book::new(known), None);
                }
            }
        }
        for at in 0..3 {
            world.members[at].connect(&world.etcd);
        }
        while (0..3).any(|at| world.put(at, false) | world.members[at].deliver()) {
            // a word that went round and round would be put without end
            let most = world.said + 3 * world.deleted;
            prop_assert!(world.puts <= most, "{} were said, {} deleted, and {} put", world.said, world.deleted, world.puts);
        }
        for member in &world.members {
            let holds = world.etcd.keys.iter().map(|(topic, (word, _))| (topic.clone(), word.clone())).collect();
            prop_assert_eq!(&member.holds, &holds, "{}", member.name);
            prop_assert_eq!(member.book.waiting(), 0);
        }
    }
}
