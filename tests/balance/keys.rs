//! Who owns which key, and how few keys move when a backend goes or comes.

use evenkeel::balance::{Candidate, build, hash_key};

use crate::fleet::{BOUNDED_HASH, HASH, START, Worker, candidates};

/// By key: the index of its backend.
fn owners(candidates: &[Candidate], keys: u32) -> Vec<usize> {
    let (balancer, mut worker) = (build(HASH, candidates.to_vec()), Worker::new(0, 1));
    (0..keys).map(|key| worker.pick(&*balancer, &[], hash_key(&key.to_le_bytes()), START).unwrap()).collect()
}

#[test]
fn a_million_keys_spread_over_100_equal_backends() {
    let mut counts = [0_u32; 100];
    owners(&candidates(&[1; 100]), 1_000_000).into_iter().for_each(|owner| counts[owner] += 1);
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    println!("max/mean {:.3}, min/mean {:.3}", f64::from(*most) / 10_000.0, f64::from(*least) / 10_000.0);
    assert!(*most <= 13_500 && *least >= 6_500, "{least}..{most} where the mean is 10,000");
}

#[test]
fn when_one_of_100_backends_goes_only_its_keys_move_and_they_come_back_with_it() {
    let all = candidates(&[1; 100]);
    let before = owners(&all, 100_000);
    for gone in [0, 37, 99] {
        let others: Vec<_> = all.iter().filter(|candidate| candidate.index != gone).cloned().collect();
        let after = owners(&others, 100_000);
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!(before.iter().zip(&after).all(|(&before, &after)| before == after || before == gone));
        assert!(moved <= 1_300, "{moved} of 100,000 keys moved, where 1,000 are its share");
        assert!(moved > 0);
        // its keys go to many others, not all to one neighbour
        let mut heirs: Vec<_> = before.iter().zip(&after).filter(|(b, a)| b != a).map(|(_, heir)| heir).collect();
        heirs.sort_unstable();
        heirs.dedup();
        assert!(heirs.len() > 50, "{} heirs", heirs.len());
    }
}

#[test]
fn a_backend_that_is_added_takes_keys_from_all_and_nothing_else_moves() {
    let all = candidates(&[1; 101]);
    let (before, after) = (owners(&all[..100], 100_000), owners(&all, 100_000));
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert!(before.iter().zip(&after).all(|(before, after)| before == after || *after == 100));
    assert!((500..=1_300).contains(&moved), "{moved} of 100,000 keys moved, where 990 are its share");
}

#[test]
fn with_bounded_load_no_backend_gets_above_its_bound_also_when_few_keys_get_most() {
    let all = candidates(&[1; 100]);
    let (balancer, mut worker) = (build(BOUNDED_HASH, all.clone()), Worker::new(0, 1));
    let mut random = fastrand::Rng::with_seed(9);
    let mut held = Vec::new();
    for sent in 1..=5_000_u32 {
        // half of all exchanges are for 3 keys
        let key = if random.bool() { random.u32(..3) } else { random.u32(..) };
        let owner = worker.pick(&*balancer, &[], hash_key(&key.to_le_bytes()), START).unwrap();
        held.push(all[owner].live.enter());
        let most = all.iter().map(|candidate| candidate.live.in_flight()).max().unwrap();
        assert!(f64::from(most) <= (1.25 * f64::from(sent) / 100.0).ceil(), "{most} of {sent} in flight");
    }
}

#[test]
fn with_bounded_load_a_key_stays_with_its_owner_while_that_has_room() {
    let all = candidates(&[1; 100]);
    let owners = owners(&all, 10_000);
    let (balancer, mut worker) = (build(BOUNDED_HASH, all.clone()), Worker::new(0, 1));
    for (key, owner) in (0_u32..).zip(owners) {
        let picked = worker.pick(&*balancer, &[], hash_key(&key.to_le_bytes()), START);
        assert_eq!(picked, Some(owner), "nothing is in flight");
    }
}
