//! What this machine is short of when it can't make a connection: the one table of error numbers, and how an operator
//! learns of it.
//!
//! A connection that could not even be tried says nothing about the backend. So it counts neither as the backend's
//! failure nor against its breaker, and a check that met a shortage decides nothing. The log says what can be done
//! about it, once in ten seconds for each cause.

mod report;

use std::io;

use rustix::io::Errno;

use crate::error::Shortage;
use crate::io::{FailureTiming, NotConnected};

pub use report::{counts, report};

/// The kind of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketKind {
    /// TCP or UDP.
    Ip,
    /// A Unix socket.
    Unix,
}

/// The shortage of this machine that the error is about; `None` = the error is about the backend or the network. The
/// numbers are those of connect(2), socket(2), ip(7), udp(7) and unix(7).
pub fn of_error(error: &io::Error, net: SocketKind, timing: FailureTiming) -> Option<Shortage> {
    let number = Errno::from_io_error(error)?;
    match number {
        Errno::MFILE | Errno::NFILE => return Some(Shortage::Descriptors),
        Errno::NOMEM | Errno::NOBUFS => return Some(Shortage::Memory),
        _ => {}
    }
    // `EAGAIN` of a Unix socket means that the backend's queue is full, and `EACCES` is the mode of the backend's file;
    // an error that came later is from a router, a firewall on the way, or the backend
    if net == SocketKind::Unix || timing == FailureTiming::Later {
        return None;
    }
    match number {
        // TCP returns the first two; UDP returns the third, as TCP did in old kernels
        Errno::ADDRNOTAVAIL | Errno::ADDRINUSE | Errno::AGAIN => Some(Shortage::Ports),
        // an interface that is down, or not there; no route, or no address of ours to come from; or an `unreachable` one (ip-route(8)); IPv6 that is switched off
        Errno::NETDOWN | Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::AFNOSUPPORT | Errno::NODEV => {
            Some(Shortage::Route)
        }
        // a firewall, a `prohibit` route, SELinux, `IPAddressDeny` of a unit; a `mark` without the capability
        Errno::ACCESS | Errno::PERM => Some(Shortage::Permission),
        _ => None,
    }
}

/// Of several addresses that have all failed, the failure that decides, and the shortage that it is about. A passing
/// shortage comes first: that address may be well, so nothing is known of the backend. An address without a route from
/// here, such as an IPv6 address where there is no IPv6, comes last: the others show whether the backend is there.
pub fn decisive(failed: Vec<NotConnected>) -> Option<(NotConnected, Option<Shortage>)> {
    let judged = failed.into_iter().map(|failed| {
        let shortage = of_error(&failed.error, SocketKind::Ip, failed.timing);
        (failed, shortage)
    });
    judged.min_by_key(|(_, shortage)| match shortage {
        Some(shortage) if shortage.is_passing() => 0,
        None => 1,
        Some(_) => 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_addresses_the_one_that_says_most_decides() {
        let failed = |numbers: &[Errno]| {
            let failed = numbers.iter().map(|number| NotConnected {
                to: ([127, 0, 0, 1], 1).into(),
                error: (*number).into(),
                timing: FailureTiming::AtOnce,
            });
            decisive(failed.collect()).and_then(|(_, shortage)| shortage)
        };
        assert_eq!(failed(&[Errno::NETUNREACH, Errno::CONNREFUSED]), None, "it is not there where it can be asked");
        assert_eq!(failed(&[Errno::CONNREFUSED, Errno::ADDRNOTAVAIL]), Some(Shortage::Ports), "one could not be asked");
        assert_eq!(failed(&[Errno::NETUNREACH, Errno::PERM]), Some(Shortage::Route));
        assert_eq!(failed(&[]), None);
    }

    fn of(number: Errno, net: SocketKind, timing: FailureTiming) -> Option<Shortage> {
        of_error(&number.into(), net, timing)
    }

    #[test]
    fn what_the_machine_is_out_of_is_ours_whenever_it_is_told() {
        for timing in [FailureTiming::AtOnce, FailureTiming::Later] {
            for net in [SocketKind::Ip, SocketKind::Unix] {
                assert_eq!(of(Errno::MFILE, net, timing), Some(Shortage::Descriptors));
                assert_eq!(of(Errno::NFILE, net, timing), Some(Shortage::Descriptors));
                assert_eq!(of(Errno::NOMEM, net, timing), Some(Shortage::Memory));
                assert_eq!(of(Errno::NOBUFS, net, timing), Some(Shortage::Memory));
            }
        }
    }

    #[test]
    fn ports_routes_and_permissions_are_ours_when_the_call_itself_fails() {
        let at_once = |number| of(number, SocketKind::Ip, FailureTiming::AtOnce);
        for number in [Errno::ADDRNOTAVAIL, Errno::ADDRINUSE, Errno::AGAIN] {
            assert_eq!(at_once(number), Some(Shortage::Ports), "{number}");
        }
        for number in [Errno::NETUNREACH, Errno::NETDOWN, Errno::HOSTUNREACH, Errno::AFNOSUPPORT, Errno::NODEV] {
            assert_eq!(at_once(number), Some(Shortage::Route), "{number}");
        }
        for number in [Errno::ACCESS, Errno::PERM] {
            assert_eq!(at_once(number), Some(Shortage::Permission), "{number}");
        }
    }

    #[test]
    fn what_the_backend_or_the_way_to_it_answers_is_not_ours() {
        for timing in [FailureTiming::AtOnce, FailureTiming::Later] {
            for number in [Errno::CONNREFUSED, Errno::CONNRESET, Errno::TIMEDOUT, Errno::PIPE] {
                assert_eq!(of(number, SocketKind::Ip, timing), None, "{number}");
            }
        }
        for number in [Errno::NETUNREACH, Errno::HOSTUNREACH, Errno::ACCESS] {
            assert_eq!(of(number, SocketKind::Ip, FailureTiming::Later), None, "{number} is a router's word");
        }
    }

    #[test]
    fn a_unix_sockets_full_queue_and_its_mode_are_the_backends() {
        for number in [Errno::AGAIN, Errno::ACCESS, Errno::NOENT, Errno::CONNREFUSED] {
            assert_eq!(of(number, SocketKind::Unix, FailureTiming::AtOnce), None, "{number}");
        }
    }

    #[test]
    fn an_error_without_a_number_is_nobodys_shortage() {
        assert_eq!(of_error(&io::ErrorKind::NotFound.into(), SocketKind::Ip, FailureTiming::AtOnce), None);
    }
}
