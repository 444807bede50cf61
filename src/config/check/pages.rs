//! What clients are shown that is in files: `error_pages`, `maintenance`, and the file of `respond`.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use http::header::HeaderValue;

use super::{Checker, all_or_nothing};
use crate::config::model::Maintenance;
use crate::config::raw::{self, ErrorPage};
use crate::config::syntax::pages::PageKey;
use crate::config::syntax::{self, nearest};
use crate::config::tree::KeyPath;
use crate::pages::{ErrorPages, PageFile, Purpose};
use crate::policy::Statuses;
use crate::policy::variables::{Place, Variable};

/// The answers of backends that get a page with `backends = true`.
const FAILURES: std::ops::RangeInclusive<u16> = 500..=599;

impl Checker<'_> {
    /// The pages of a section: `Some(None)` = it has none.
    pub(super) fn error_pages(
        &mut self,
        at: &KeyPath,
        raw: &BTreeMap<String, ErrorPage>,
    ) -> Option<Option<Arc<ErrorPages>>> {
        let at = at.key("error_pages");
        if raw.is_empty() {
            return Some(None);
        }
        let of_backends = match raw.get("backends") {
            Some(value) => self.replaced(&at.key("backends"), value)?,
            None => None,
        };
        let (mut pages, mut is_good) = (ErrorPages::new(of_backends), true);
        for (key, value) in raw {
            let here = at.key(key);
            // a key that can't be read has been reported and taken out
            let Ok(which) = syntax::pages::status(key) else { continue };
            if which == PageKey::Backends {
                continue;
            }
            match (self.pages_of(&here, value), which) {
                (Some(files), PageKey::Status(status)) => pages.add(status, files),
                (Some(files), PageKey::Class(class)) => pages.add_class(class, files),
                (_, _) => is_good = false,
            }
        }
        is_good.then(|| Some(Arc::new(pages)))
    }

    /// The statuses of backends' answers whose bodies are replaced.
    fn replaced(&mut self, at: &KeyPath, value: &ErrorPage) -> Option<Option<Statuses>> {
        match value {
            ErrorPage::Switch(false) => return Some(Some(Statuses(Vec::new()))),
            ErrorPage::Switch(true) => return Some(Some(Statuses(vec![FAILURES]))),
            ErrorPage::One(text) => {
                if let Ok(ranges) = syntax::service::status_ranges(text)
                    && ranges.iter().all(|range| *range.start() >= 400)
                {
                    return Some(Some(Statuses(ranges)));
                }
            }
            ErrorPage::Several(_) => {}
        }
        let mistake = self.mistake(at, "`backends` says which answers of backends get a page");
        self.report(mistake.expected("true (5xx), false, or statuses from 400 such as \"404,500-599\""));
        None
    }

    /// The files of one status.
    fn pages_of(&mut self, at: &KeyPath, value: &ErrorPage) -> Option<Vec<Arc<PageFile>>> {
        match value {
            ErrorPage::Switch(_) => {
                let mistake = self.mistake(at, "a status needs a page");
                self.report(mistake.expected("the name of a file, or an array of them"));
                None
            }
            ErrorPage::One(name) => Some(vec![self.page(at, name)?]),
            ErrorPage::Several(names) if names.is_empty() => {
                let mistake = self.mistake(at, "an empty array names no page");
                self.report(mistake.expected("the name of a file, or an array of them"));
                None
            }
            ErrorPage::Several(names) => {
                // each is looked at, so that no mistake hides behind another
                let files: Vec<_> =
                    names.iter().enumerate().map(|(index, name)| self.page(&at.index(index), name)).collect();
                files.into_iter().collect()
            }
        }
    }

    /// A page in which variables are filled in.
    fn page(&mut self, at: &KeyPath, name: &str) -> Option<Arc<PageFile>> {
        let page = self.page_file(at, name, None, Purpose::Page)?;
        self.misspelt_variables(at, &page);
        Some(page)
    }

    /// A file that clients are shown; `content_type`: `None` = by its name. One that several sections name is read, and watched, once.
    pub(super) fn page_file(
        &mut self,
        at: &KeyPath,
        name: &str,
        content_type: Option<HeaderValue>,
        purpose: Purpose,
    ) -> Option<Arc<PageFile>> {
        let path = self.file(name);
        let is_it = |known: &&Arc<PageFile>| known.is(&path, content_type.as_ref(), purpose);
        if let Some(known) = self.page_files.iter().find(is_it) {
            return Some(Arc::clone(known));
        }
        match PageFile::read(path.clone(), content_type, purpose) {
            Ok(file) => {
                let file = Arc::new(file);
                self.page_files.push(Arc::clone(&file));
                Some(file)
            }
            Err(reason) => {
                self.unreadable(at, &path, &reason);
                None
            }
        }
    }

    /// Warns of a `${...}` in a page that is nearly the name of a variable. What is far from any is probably a script's.
    fn misspelt_variables(&mut self, at: &KeyPath, page: &PageFile) {
        let text = page.source();
        let written = text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
        let names = || Variable::known_at(Place::ErrorPage).map(Variable::name);
        let is_name = |name: &&str| name.len() > 2 && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_' | b'.'));
        let misspelt = written.filter(is_name).filter(|name| Variable::named(name).is_none());
        let Some((name, meant)) = misspelt.filter_map(|name| Some((name, nearest(name, names())?))).next() else {
            return;
        };
        let message = format!("`${{{name}}}` in `{}` is sent as it stands", page.path().display());
        let mistake = self.mistake(at, message).warning();
        self.report(mistake.near(Some(format!("${{{meant}}}"))).help("docs/error-pages.md lists the variables"));
    }

    /// `maintenance` of the section at `at`.
    pub(super) fn maintenance_page(&mut self, at: &KeyPath, raw: Option<&raw::MaintenancePage>) -> Option<Maintenance> {
        let at = at.key("maintenance");
        let Some(raw) = raw else { return Some(Maintenance::default()) };
        let page = all_or_nothing(raw.file.as_ref().map(|name| self.page(&at.key("file"), name)));
        // an empty list lets nobody through, as none does
        let allow = match raw.allow[..] {
            [] if self.findings.removed(&at.key("allow")).is_none() => Some(None),
            _ => self.access(&at, (&raw.allow, &[])),
        };
        Some(Maintenance {
            enabled: raw.enabled,
            page: page?,
            allow: allow?,
            status: StatusCode::from_u16(raw.status).ok()?,
            // delay-seconds are whole (RFC 9110, section 10.2.3): rather a little later than too early
            retry_after: raw.retry_after.map(|after| after.0.as_millis().div_ceil(1000) as u64),
        })
    }
}
