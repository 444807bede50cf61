//! `canary` of a route: a new version of a service, and the plan by which requests move to it.

use std::collections::HashMap;

use super::Checker;
use crate::canary::Plan;
use crate::config::mistake::Mistake;
use crate::config::model::Canary;
use crate::config::raw::{self, StopOn};
use crate::config::syntax;
use crate::config::tree::KeyPath;

impl Checker<'_> {
    pub(super) fn canary(&mut self, at: &KeyPath, raw: &raw::Canary) -> Option<Canary> {
        let service = raw.service.as_ref().map(|name| self.service_named(&at.key("service"), name));
        let stable = raw.stable.as_ref().map(|name| self.service_named(&at.key("stable"), name));
        if let (Some(name), true) = (&raw.service, raw.service == raw.stable) {
            let mistake = self.mistake(&at.key("stable"), format!("`{name}` can't replace itself"));
            self.report(mistake.expected("the service that is in use"));
            return None;
        }
        let steps = self.canary_steps(&at.key("steps"), &raw.steps)?;
        Some(Canary {
            service: service??,
            stable: stable??,
            plan: Plan {
                steps,
                every: raw.every.0,
                stops_on_errors: raw.stop_on.contains(&StopOn::Errors),
                stops_on_latency: raw.stop_on.contains(&StopOn::Latency),
                min_requests: u64::from(raw.min_requests),
            },
        })
    }

    fn canary_steps(&mut self, at: &KeyPath, raw: &[String]) -> Option<Box<[u32]>> {
        if raw.is_empty() {
            let mistake = self.mistake(at, "there is no step");
            self.report(mistake.expected("at least one share, such as \"5%\""));
            return None;
        }
        // each is read here, and not when the shape is checked, so that one that can't be read does not hide that two others are in the wrong order
        let mut steps: Vec<Option<u32>> = Vec::with_capacity(raw.len());
        let mut is_good = true;
        for (index, text) in raw.iter().enumerate() {
            let path = at.index(index);
            let read = match syntax::percent(text) {
                Ok(share) => Some(share),
                Err(problem) => {
                    self.report(Mistake::problem(self.root.span_of(&path), &path, problem));
                    None
                }
            };
            let before = steps.last().copied().flatten();
            if read.zip(before).is_some_and(|(share, before)| share <= before) {
                let mistake = self.mistake(&path, format!("`{text}` follows `{}`", raw[index - 1]));
                self.report(mistake.expected("a larger share than the one before"));
                is_good = false;
            }
            steps.push(read);
        }
        steps.into_iter().collect::<Option<Box<[u32]>>>().filter(|_| is_good)
    }

    /// A canary has one plan, whichever routes lead to it: its requests are judged together.
    pub(super) fn canaries_have_one_plan(&mut self, listeners: &[raw::Listener]) {
        let mut known: HashMap<&str, (KeyPath, &raw::Canary)> = HashMap::new();
        let root = KeyPath::default().key("listener");
        for (index, listener) in listeners.iter().enumerate() {
            let routes = root.index(index).key("route");
            for (index, route) in listener.route.iter().enumerate() {
                let Some(canary) = &route.canary else { continue };
                let Some(name) = canary.service.as_deref() else { continue };
                let at = routes.index(index).key("canary");
                let Some((first, other)) = known.get(name) else {
                    known.insert(name, (at, canary));
                    continue;
                };
                if is_same(canary, other) {
                    continue;
                }
                let first = self.first_in(first);
                let mistake = self.mistake(&at, format!("the canary `{name}` has two plans"));
                self.report(mistake.expected("the same plan on each route that leads to it").help(first));
            }
        }
    }
}

fn is_same(one: &raw::Canary, other: &raw::Canary) -> bool {
    let plan = |canary: &raw::Canary| {
        let on = [StopOn::Errors, StopOn::Latency].map(|on| canary.stop_on.contains(&on));
        (canary.stable.clone(), canary.steps.clone(), canary.every.0, on, canary.min_requests)
    };
    plan(one) == plan(other)
}
