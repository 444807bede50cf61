//! All that one listener, service or the admin address reads from files for its TLS, kept up to date.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use rustls::pki_types::CertificateDer;

use super::Certificate;
use super::files::{PairFiles, Source};
use super::kept::{Found, GRACE, Kept};
use super::read::{self, Reading};
use super::staple::{self, Staple};
use super::ticket_keys::{self, TicketKeys};
use super::unusable::{Part, Unusable};
use crate::stamp::Stamp;

/// Whose TLS it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The listener of this name.
    Listener(String),
    /// The service of this name, towards its backends.
    Service(String),
    /// The admin address.
    Admin,
}

/// The files that something is read from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Sources {
    /// Those of certificates, in their order.
    pub certificates: Vec<Source>,
    /// The one with authorities.
    pub authorities: Option<PathBuf>,
    /// The one with the keys of session tickets.
    pub ticket_keys: Option<PathBuf>,
}

impl Sources {
    /// The certificates that are to be in force when `read` was read from these files for another configuration, and `in_force` is in force from before. What the files hold in this moment may be
    /// the middle of a renewal, or a mistake: a pair of a folder that could not be read, and one that [`Certificate::may_replace`] refuses, stays what it is, as it does where there is no other
    /// configuration. Whoever keeps the files up to date from then on waits for what comes, and takes away what is gone.
    pub fn keep(
        &self,
        read: Vec<Arc<Certificate>>,
        in_force: &[Arc<Certificate>],
        wall: SystemTime,
    ) -> Vec<Arc<Certificate>> {
        let mut kept = read;
        let mut behind = 0;
        for old in in_force.iter().filter(|old| self.have(&old.files)) {
            let at = kept.iter().position(|new| new.files.are_the_pair_of(&old.files));
            match at {
                Some(at) if kept[at] != *old && kept[at].may_replace(old, wall).is_err() => kept[at] = Arc::clone(old),
                Some(at) => {
                    if let Some(response) = staple_that_stays(&kept[at], old, wall) {
                        kept[at] = Arc::new(kept[at].stapled(Some(response)));
                    }
                }
                // where it was: behind the one that it was behind
                None => kept.insert(behind, Arc::clone(old)),
            }
            behind = at.unwrap_or(behind) + 1;
        }
        kept
    }

    /// Whether a pair is one of them.
    fn have(&self, files: &PairFiles) -> bool {
        self.certificates.iter().any(|source| match source {
            Source::Pair(pair) => pair.are_the_pair_of(files),
            Source::Folder(folder) => files.cert.starts_with(folder),
        })
    }
}

/// The OCSP response of `old` that goes on being sent with the same certificate, read anew without one: the file of both holds none that can be used.
fn staple_that_stays(new: &Certificate, old: &Certificate, wall: SystemTime) -> Option<Vec<u8>> {
    let has_lost_it = new == old && new.certified.ocsp.is_none() && new.files.ocsp.is_some();
    let staple = (has_lost_it && new.files.ocsp == old.files.ocsp).then(|| staple::stapled_to(old)).flatten();
    staple.filter(|staple| staple.is_for(new, wall)).map(|staple| staple.response)
}

/// What was read from them.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// The certificates, in the order of the sources.
    pub certificates: Vec<Arc<Certificate>>,
    /// The authorities.
    pub authorities: Option<Arc<Vec<CertificateDer<'static>>>>,
    /// The keys of session tickets.
    pub ticket_keys: Option<Arc<TicketKeys>>,
}

/// Sources, and what is in force of them.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Whose they are.
    pub owner: Owner,
    /// Where it is read from.
    pub sources: Sources,
    /// What is in force.
    pub material: Material,
}

/// What a look has found.
#[derive(Debug, Default)]
pub struct Looked {
    /// What is in force from now on, where it is something else.
    pub renewed: Option<Material>,
    /// What can't be used, and has not been told.
    pub unusable: Vec<Unusable>,
    /// All that can't be used now, and has been told, where that is something else than at the last look.
    pub refused: Option<Vec<Unusable>>,
}

/// Keeps the material of one owner up to date.
#[derive(Debug)]
pub struct Keeper {
    /// Whose it is.
    pub owner: Owner,
    sources: Sources,
    pairs: Vec<Pair>,
    authorities: Option<(PathBuf, Kept<Vec<CertificateDer<'static>>>)>,
    ticket_keys: Option<(PathBuf, Kept<TicketKeys>)>,
    /// Folders that can't be read, since when, and whether it was told.
    unreadable: Vec<(PathBuf, Instant, bool)>,
    /// What could not be used at the last look.
    refused: Vec<Unusable>,
}

#[derive(Debug)]
struct Pair {
    files: PairFiles,
    kept: Kept<Certificate>,
    staple: Kept<Staple>,
    /// It was told that the time of the staple is over.
    is_over_told: bool,
    /// The certificate that is in force, with its staple while that is good.
    shown: Option<Arc<Certificate>>,
    /// Since when it is not in its folder any more.
    gone: Option<Instant>,
}

impl Pair {
    fn new(files: PairFiles, shown: Option<Arc<Certificate>>) -> Self {
        let staple = shown.as_ref().filter(|_| files.ocsp.is_some()).and_then(|shown| staple::stapled_to(shown));
        let (kept, staple) = (Kept::new(shown.clone()), Kept::new(staple.map(Arc::new)));
        Self { files, kept, staple, is_over_told: false, shown, gone: None }
    }

    /// Whether something else is in force now.
    fn look(&mut self, now: Instant, wall: SystemTime, unusable: &mut Vec<Unusable>) -> bool {
        let files = &self.files;
        let stamps = || vec![Stamp::of(&files.cert), Stamp::of(&files.key)];
        note(self.kept.look(stamps, now, |in_force| certificate(files, in_force, wall)), unusable);
        let Some(certificate) = self.kept.in_force() else { return false };
        if let Some(path) = &files.ocsp {
            // with another certificate, the same response may be about it or not
            let stamps = || vec![Stamp::of(path), Stamp::of(&files.cert)];
            let found = self.staple.look(stamps, now, |_| staple::read(path, certificate, wall));
            self.is_over_told &= found != Found::New;
            note(found, unusable);
            if self.staple.in_force().is_some_and(|staple| staple.is_over(wall)) && !self.is_over_told {
                self.is_over_told = true;
                let message =
                    format!("the time of the OCSP response in `{}` is over: it is not sent any more", path.display());
                unusable.push(Unusable::new(Part::Ocsp, path, message));
            }
        }
        let staple = self.staple.in_force().filter(|staple| staple.is_for(certificate, wall));
        let response = staple.map(|staple| &staple.response);
        let is_shown = |shown: &Arc<Certificate>| shown == certificate && shown.certified.ocsp.as_ref() == response;
        if self.shown.as_ref().is_some_and(is_shown) {
            return false;
        }
        self.shown = Some(Arc::new(certificate.stapled(response.cloned())));
        true
    }
}

impl Keeper {
    /// Keeps what is in force until something else is found.
    pub fn new(watched: Watched) -> Self {
        let Watched { owner, sources, material } = watched;
        let Material { certificates, authorities, ticket_keys } = material;
        let pairs = certificates.into_iter().map(|one| Pair::new(one.files.clone(), Some(one))).collect();
        let authorities = sources.authorities.clone().map(|path| (path, Kept::new(authorities)));
        let ticket_keys = sources.ticket_keys.clone().map(|path| (path, Kept::new(ticket_keys)));
        Self { owner, pairs, authorities, ticket_keys, sources, unreadable: Vec::new(), refused: Vec::new() }
    }

    /// The files, and those in the folders as of the last look.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let pairs = self.pairs.iter().map(|pair| &pair.files);
        let pairs = pairs.flat_map(|files| [&files.cert, &files.key].into_iter().chain(&files.ocsp));
        let others = self.authorities.iter().map(|(path, _)| path);
        pairs.chain(others).chain(self.ticket_keys.iter().map(|(path, _)| path))
    }

    /// The folders.
    pub fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.sources.certificates.iter().filter_map(|source| match source {
            Source::Folder(folder) => Some(folder),
            Source::Pair(_) => None,
        })
    }

    /// Looks at all files. `wall` is the time by which certificates are valid.
    pub fn look(&mut self, now: Instant, wall: SystemTime) -> Looked {
        let mut looked = Looked::default();
        let mut is_new = self.list(now, &mut looked.unusable);
        for pair in &mut self.pairs {
            is_new |= pair.look(now, wall, &mut looked.unusable);
        }
        if let Some((path, kept)) = &mut self.authorities {
            let found = kept.look(|| vec![Stamp::of(path)], now, |_| read::authorities(path));
            is_new |= note(found, &mut looked.unusable);
        }
        if let Some((path, kept)) = &mut self.ticket_keys {
            let found = kept.look(|| vec![Stamp::of(path)], now, |_| ticket_keys::read(path));
            is_new |= note(found, &mut looked.unusable);
        }
        looked.renewed = is_new.then(|| self.material());
        let refused = self.refused_now();
        if refused != self.refused {
            self.refused.clone_from(&refused);
            looked.refused = Some(refused);
        }
        looked
    }

    /// What can't be used for too long now.
    fn refused_now(&self) -> Vec<Unusable> {
        let pairs = self.pairs.iter().flat_map(|pair| [pair.kept.refused(), pair.staple.refused()]);
        let authorities = self.authorities.iter().map(|(_, kept)| kept.refused());
        let ticket_keys = self.ticket_keys.iter().map(|(_, kept)| kept.refused());
        let files = pairs.chain(authorities).chain(ticket_keys).flatten().cloned();
        let folders = self.unreadable.iter().filter(|(.., is_told)| *is_told).map(|(folder, ..)| {
            Unusable::new(Part::Folder, folder, format!("the folder `{}` can't be read", folder.display()))
        });
        files.chain(folders).collect()
    }

    fn material(&self) -> Material {
        Material {
            certificates: self.pairs.iter().filter_map(|pair| pair.shown.clone()).collect(),
            authorities: self.authorities.as_ref().and_then(|(_, kept)| kept.in_force().cloned()),
            ticket_keys: self.ticket_keys.as_ref().and_then(|(_, kept)| kept.in_force().cloned()),
        }
    }

    /// Takes on which pairs there are now; whether one that was in force is no more. One that is gone stays for [`GRACE`], because some tools take a file
    /// away before they write the next one; and while nothing else is in force.
    fn list(&mut self, now: Instant, unusable: &mut Vec<Unusable>) -> bool {
        let mut listed = Vec::new();
        for source in &self.sources.certificates {
            match source.pairs() {
                Ok(pairs) => listed.extend(pairs),
                Err(error) => {
                    let Source::Folder(folder) = source else { continue };
                    // what was found there stays
                    listed.extend(
                        self.pairs
                            .iter()
                            .map(|pair| &pair.files)
                            .filter(|files| files.cert.starts_with(folder))
                            .cloned(),
                    );
                    unusable.extend(told_late(&mut self.unreadable, folder, now).then_some(error));
                }
            }
        }
        self.unreadable.retain(|(folder, ..)| std::fs::read_dir(folder).is_err());
        let there: HashSet<&PairFiles> = listed.iter().collect();
        for pair in &mut self.pairs {
            pair.gone = if there.contains(&pair.files) { None } else { pair.gone.or(Some(now)) };
        }
        let stays = |pair: &Pair| pair.gone.is_none_or(|since| now.duration_since(since) < GRACE);
        let any_stays = self.pairs.iter().any(|pair| stays(pair) && pair.shown.is_some());
        let shown = |pairs: &[Pair]| pairs.iter().filter(|pair| pair.shown.is_some()).count();
        let before = shown(&self.pairs);
        self.pairs.retain(|pair| stays(pair) || (!any_stays && pair.shown.is_some()));
        let removed = shown(&self.pairs) != before;
        let known: HashSet<&PairFiles> = self.pairs.iter().map(|pair| &pair.files).collect();
        let new: Vec<Pair> =
            listed.iter().filter(|files| !known.contains(files)).map(|files| Pair::new(files.clone(), None)).collect();
        self.pairs.extend(new);
        let places: HashMap<&PairFiles, usize> = listed.iter().enumerate().map(|(at, files)| (files, at)).collect();
        let place = |pair: &Pair| places.get(&pair.files).copied().unwrap_or(usize::MAX);
        if !self.pairs.iter().map(place).is_sorted() {
            self.pairs.sort_by_key(place);
        }
        removed
    }
}

/// Reads a pair; one that is not valid now is not to replace one that is.
fn certificate(files: &PairFiles, in_force: Option<&Certificate>, wall: SystemTime) -> Reading<Certificate> {
    let Reading { content, result } = read::pair(files);
    let result = result.and_then(|next| match in_force {
        Some(now) if *now != next => next.may_replace(now, wall).map(|()| next),
        _ => Ok(next),
    });
    Reading { content, result }
}

/// Whether something is new.
fn note(found: Found, unusable: &mut Vec<Unusable>) -> bool {
    match found {
        Found::Nothing => false,
        Found::New => true,
        Found::Unusable(one) => {
            unusable.push(one);
            false
        }
    }
}

/// Whether it is now to be told that a folder can't be read.
fn told_late(unreadable: &mut Vec<(PathBuf, Instant, bool)>, folder: &PathBuf, now: Instant) -> bool {
    match unreadable.iter_mut().find(|(known, ..)| known == folder) {
        None => {
            unreadable.push((folder.clone(), now, false));
            false
        }
        Some((_, since, told)) => !*told && now.duration_since(*since) >= GRACE && !std::mem::replace(told, true),
    }
}

#[cfg(test)]
mod tests;
