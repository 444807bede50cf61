//! `error_pages`: pages by status.

use std::sync::Arc;

use http::StatusCode;

use super::PageFile;
use crate::policy::Statuses;

/// The pages of one section.
#[derive(Debug, Clone, Default)]
pub struct ErrorPages {
    /// By status, each once.
    exact: Vec<(u16, Arc<[Arc<PageFile>]>)>,
    /// By class: those of 4xx and of 5xx.
    classes: [Option<Arc<[Arc<PageFile>]>>; 2],
    /// The statuses of backends' answers whose bodies are replaced; `None` = the next section says that.
    of_backends: Option<Statuses>,
}

impl ErrorPages {
    /// No pages yet; `of_backends`: the statuses of backends' answers whose bodies are replaced, where this section says so.
    pub fn new(of_backends: Option<Statuses>) -> Self {
        Self { of_backends, ..Self::default() }
    }

    /// Takes on the pages of a status. Of several, each client gets the one that it prefers.
    pub fn add(&mut self, status: u16, pages: Vec<Arc<PageFile>>) {
        self.exact.push((status, pages.into()));
    }

    /// Takes on the pages of all statuses of a class, 4 or 5, that have none of their own.
    pub fn add_class(&mut self, class: u16, pages: Vec<Arc<PageFile>>) {
        if let Some(place) = self.class_at(class) {
            self.classes[place] = Some(pages.into());
        }
    }

    fn class_at(&self, class: u16) -> Option<usize> {
        class.checked_sub(4).map(usize::from).filter(|place| *place < self.classes.len())
    }

    /// The pages of this status.
    pub fn of(&self, status: StatusCode) -> Option<&[Arc<PageFile>]> {
        let status = status.as_u16();
        let exact = self.exact.iter().find(|(known, _)| *known == status).map(|(_, pages)| pages);
        let class = || self.classes[self.class_at(status / 100)?].as_ref();
        exact.or_else(class).map(|pages| &**pages)
    }

    /// Whether a backend's answer with this status gets a page; `None` = the next section says that.
    fn replaces(&self, status: StatusCode) -> Option<bool> {
        self.of_backends.as_ref().map(|statuses| statuses.contain(status))
    }

    /// Whether a page has something filled in that a request has said.
    pub fn tell_of_request(&self) -> bool {
        self.files().any(|page| page.tells_of_request())
    }

    /// All pages.
    pub fn files(&self) -> impl Iterator<Item = &Arc<PageFile>> {
        let exact = self.exact.iter().map(|(_, pages)| pages);
        exact.chain(self.classes.iter().flatten()).flat_map(|pages| pages.iter())
    }
}

/// The pages of this status in the first of the sections that has any.
pub fn nearest_pages<'p>(
    sections: impl IntoIterator<Item = Option<&'p Arc<ErrorPages>>>,
    status: StatusCode,
) -> &'p [Arc<PageFile>] {
    sections.into_iter().flatten().find_map(|pages| pages.of(status)).unwrap_or_default()
}

/// Whether a backend's answer with this status gets a page, as the first of the sections says that says anything of it.
pub fn are_for_backends<'p>(
    sections: impl IntoIterator<Item = Option<&'p Arc<ErrorPages>>>,
    status: StatusCode,
) -> bool {
    sections.into_iter().flatten().find_map(|pages| pages.replaces(status)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(texts: &[(u16, &str)], classes: &[(u16, &str)], of_backends: Option<Statuses>) -> Arc<ErrorPages> {
        let mut all = ErrorPages::new(of_backends);
        let page = |text: &str| vec![Arc::new(PageFile::of_text(text, "text/html"))];
        texts.iter().for_each(|(status, text)| all.add(*status, page(text)));
        classes.iter().for_each(|(class, text)| all.add_class(*class, page(text)));
        Arc::new(all)
    }

    fn found(sections: &[&Arc<ErrorPages>], status: u16) -> Option<String> {
        let status = StatusCode::from_u16(status).unwrap();
        let found = nearest_pages(sections.iter().map(|pages| Some(*pages)), status);
        found.first().map(|page| page.source())
    }

    #[test]
    fn the_nearest_section_decides_and_in_it_the_status_before_its_class() {
        let route = pages(&[(502, "route 502")], &[], None);
        let listener = pages(&[(502, "listener 502"), (404, "listener 404")], &[(5, "listener 5xx")], None);
        let all = pages(&[(503, "all 503"), (418, "all 418")], &[(4, "all 4xx"), (7, "none")], None);
        let of = |status| found(&[&route, &listener, &all], status);
        for (status, text) in [
            (502, Some("route 502")),
            (503, Some("listener 5xx")),
            (404, Some("listener 404")),
            (418, Some("all 418")),
            (429, Some("all 4xx")),
            (302, None),
            (200, None),
            (700, None),
        ] {
            assert_eq!(of(status).as_deref(), text, "{status}");
        }
        assert_eq!(all.files().count(), 3);
    }

    #[test]
    fn the_nearest_section_that_speaks_of_backends_decides() {
        let silent = pages(&[(502, "own")], &[], None);
        let replacing = pages(&[], &[(5, "5xx")], Some(Statuses(vec![500..=599])));
        let off = pages(&[], &[], Some(Statuses(Vec::new())));
        let are = |sections: &[&Arc<ErrorPages>], status| {
            are_for_backends(sections.iter().map(|pages| Some(*pages)), StatusCode::from_u16(status).unwrap())
        };
        assert!(are(&[&silent, &replacing], 502) && !are(&[&silent, &replacing], 404));
        assert!(!are(&[&off, &replacing], 502) && !are(&[&silent], 502) && !are(&[], 502));
    }
}
