//! A planned hand-over: another instance gets the work, and then this one drains. Nothing is lost on the way.
//!
//! An address that moves takes no connection with it: whatever is open when it moves is reset by the machine that has it then, because
//! that knows nothing of it. So the order is:
//!
//! 1. Connections are closed while the address is still here: idle ones at once, the others after their answer (`Connection: close`,
//!    GOAWAY). New ones are still accepted, and closed after one answer. So nobody is refused, and what is open becomes few.
//! 2. Then no new connection may begin (`io::hold_back`), for as long as those that are open take for their one answer: some
//!    milliseconds, or seconds on a machine that is short of processors. A client's kernel knocks again after a second, at whichever machine has the address by then.
//! 3. Only now, with nothing open, `/readyz` says 503, by which the address is given away; the end of this step is that this machine
//!    has it no more. Where no address moves (a balancer in front, ECMP, Kubernetes), nothing is held back, and the end is that no
//!    new connection has come for a while.
//! 4. The process drains as it does at SIGTERM.
//!
//! If the third step has no end within its time, nobody takes the work: this instance serves on as if nothing had been asked.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::reload::System;
use crate::admin::{HandOver, HandedOver, Phase};
use crate::config::model::Address;
use crate::event::{HandOverChange, Kind, Subject};
use crate::io::own_addresses;

/// For so long new connections are held back after the last one of those that are open has had its answer.
const HELD_BACK: Duration = Duration::from_millis(500);

/// How long they are held back at most, where one after the other has its answer but the machine is slow. A client's kernel knocks after 1 s and after 3 s
/// (RFC 6298): so the second time it is let in.
const HELD_BACK_AT_MOST: Duration = Duration::from_millis(2500);

/// How long another machine may take to get an address. keepalived takes about 0.3 s.
const MOVE: Duration = Duration::from_secs(5);

/// How often it is looked whether a step has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Hands over, and says what came of it; `Err` = this instance serves on.
pub(super) async fn hand_over(system: &System, request: &HandOver) -> Result<HandedOver, String> {
    let began = Instant::now();
    let tell = |change| system.store.events().tell(Subject::default(), Kind::HandOver(change));
    tell(HandOverChange::Began { who: request.by.clone(), reason: request.reason.clone() });
    let moving = here(&moving(system));
    let closed = timeout(request.limit, system.workers.close_connections()).await;
    if closed.is_err() {
        tracing::warn!(
            connections = system.workers.connections(),
            limit = ?request.limit,
            "hand-over: not every connection has ended in its time; those that are left may be broken off"
        );
    }
    let given = match moving.is_empty() {
        true => give_flow(system, request).await,
        false => give_addresses(system, &moving).await,
    };
    let took = began.elapsed();
    match given {
        Ok(()) => {
            let addresses = moving.iter().map(ToString::to_string).collect::<Vec<_>>();
            let connections = system.workers.connections();
            tell(HandOverChange::Ended { addresses: addresses.clone(), connections, took });
            Ok(HandedOver { addresses, connections, took })
        }
        Err(reason) => {
            system.admin.enter(Phase::Ready);
            system.workers.keep_connections();
            tell(HandOverChange::Failed { reason: reason.clone(), took });
            Err(reason)
        }
    }
}

/// The addresses of the listeners whose address comes and goes.
fn moving(system: &System) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for listener in system.config.listeners.iter().filter(|listener| listener.free_bind) {
        if let Address::Tcp(address) = &listener.bind
            && !address.ip().is_unspecified()
            && !addresses.contains(&address.ip())
        {
            addresses.push(address.ip());
        }
    }
    addresses
}

/// Those of these addresses that this machine has. Where that can't be found out, all.
fn here(addresses: &[IpAddr]) -> Vec<IpAddr> {
    match own_addresses() {
        Ok(own) => addresses.iter().copied().filter(|address| own.iter().any(|own| own.address == *address)).collect(),
        Err(error) => {
            tracing::warn!(%error, "this machine's addresses can't be read");
            addresses.to_vec()
        }
    }
}

/// Has another machine take these addresses.
async fn give_addresses(system: &System, moving: &[IpAddr]) -> Result<(), String> {
    system.listeners.hold_back();
    let (mut open, mut since) = (system.workers.connections(), Instant::now());
    let answered = until(|| {
        let now = system.workers.connections();
        if now < open {
            (open, since) = (now, Instant::now());
        }
        now == 0 || since.elapsed() >= HELD_BACK
    });
    let _ = timeout(HELD_BACK_AT_MOST, answered).await;
    system.admin.enter(Phase::HandingOver);
    let moved = timeout(MOVE, until(|| here(moving).is_empty())).await;
    system.listeners.let_in();
    moved.map_err(|_| {
        let addresses = here(moving).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!("this machine still has {addresses} {MOVE:?} after /readyz began to say 503: nothing moves it")
    })
}

/// Waits until no new connection comes any more.
async fn give_flow(system: &System, request: &HandOver) -> Result<(), String> {
    system.admin.enter(Phase::HandingOver);
    let (mut accepted, mut since) = (system.workers.accepted(), Instant::now());
    let ended = until(|| {
        let now = system.workers.accepted();
        if now != accepted {
            (accepted, since) = (now, Instant::now());
        }
        since.elapsed() >= request.quiet
    });
    timeout(request.limit.max(request.quiet * 2), ended).await.map_err(|_| {
        format!("new connections still come {:?} after /readyz began to say 503", request.limit.max(request.quiet * 2))
    })
}

async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        sleep(LOOK).await;
    }
}
