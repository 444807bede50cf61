//! What was not let in, by reason.

use super::slots::{Count, PerWorker};

/// Why a request, or a connection, was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The address of the client (`allow`, `deny`).
    Network,
    /// The client's certificate, or that it has shown none.
    Certificate,
    /// What it has shown else, or that it has shown nothing.
    Credentials,
    /// A path that could be read in several ways.
    AmbiguousPath,
    /// The service that says who may come in has said nothing that could be used.
    Undecided,
}

impl Denial {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Network, Self::Certificate, Self::Credentials, Self::AmbiguousPath, Self::Undecided];

    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Certificate => "certificate",
            Self::Credentials => "credentials",
            Self::AmbiguousPath => "ambiguous_path",
            Self::Undecided => "undecided",
        }
    }
}

/// What a listener, or one of its routes, has not let in.
#[derive(Debug)]
pub struct Denials(PerWorker<Slot>);

#[derive(Debug, Default)]
struct Slot([Count; Denial::ALL.len()]);

impl Denials {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts one, on the thread of `worker`.
    pub fn count(&self, worker: usize, why: Denial) {
        self.0.of(worker).0[why as usize].add(1);
    }

    /// How many so far, as in [`Denial::ALL`].
    pub fn read(&self) -> [u64; Denial::ALL.len()] {
        std::array::from_fn(|at| self.0.sum(|slot| &slot.0[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_of_all_workers_add_up() {
        let denials = Denials::new(2);
        [0, 1].into_iter().for_each(|worker| denials.count(worker, Denial::Credentials));
        denials.count(1, Denial::Network);
        assert_eq!(denials.read(), [1, 0, 2, 0, 0]);
    }
}
