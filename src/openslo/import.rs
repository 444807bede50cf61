//! OpenSLO files as promises: the SLOs of a service are put together to one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::bounds;
use super::document::{self, Object};
use super::duration::{Shorthand, parse, written};
use super::export::NO_FLOOR;
use super::node::{Node, Remarks};
use super::objective::{self, Goal};
use super::{File, Imported, Remark, Service, alerts, annotation};
use crate::sla::{Promise, SHORTEST_RPO, Tier, Window};

/// Reads the files together, so that one may refer to what another defines.
///
/// # Errors
///
/// What in them is no OpenSLO v1, all of it at once.
pub fn import(files: &[File<'_>]) -> Result<Imported, Vec<Remark>> {
    let mut remarks = Remarks::default();
    let documents = document::documents(files, &mut remarks);
    let objects = document::objects(&documents, &mut remarks);
    let services = document::by_name(&objects, "Service", &mut remarks);
    let slis = document::by_name(&objects, "SLI", &mut remarks);
    let slos = document::by_name(&objects, "SLO", &mut remarks);
    let first = |object: &&Object<'_>| slos.get(object.name).is_some_and(|slo| slo.node.place == object.node.place);
    let mut goals: Vec<(&str, Vec<Goal<'_>>)> = Vec::new();
    for slo in objects.iter().filter(|object| object.kind == "SLO").filter(first) {
        not_taken(slo, &mut remarks);
        let Some(goal) = objective::goal(slo, &slis, &mut remarks) else { continue };
        match goals.iter_mut().find(|(service, _)| *service == goal.service) {
            Some((_, goals)) => goals.push(goal),
            None => goals.push((goal.service, vec![goal])),
        }
    }
    others(&objects, &goals, &mut remarks);
    let mut promises: Vec<Service> = Vec::new();
    for (name, goals) in &goals {
        let Some(service) = promised(name, goals, services.get(name), &mut remarks) else { continue };
        if promises.iter().all(|other| other.name != service.name) {
            promises.push(service);
        } else if let Some(object) = services.get(name) {
            let text = format!("another service of the files is called `{}`: this one is not taken", service.name);
            remarks.say(&object.node, text);
        }
    }
    let Remarks { said, refused } = remarks;
    if refused.is_empty() {
        Ok(Imported { services: promises, remarks: in_order(said, files) })
    } else {
        Err(in_order(refused, files))
    }
}

/// In the order of the documents.
fn in_order(mut remarks: Vec<Remark>, files: &[File<'_>]) -> Vec<Remark> {
    let order: BTreeMap<_, _> = files.iter().enumerate().rev().map(|(index, file)| (file.name, index)).collect();
    remarks.sort_by_key(|remark| (order.get(remark.place.file.as_str()).copied(), remark.place.document));
    remarks
}

const NO_POLICIES: &str = "alert policies are not taken: Evenkeel has those of the SRE workbook for every promise";

/// What of an SLO is not taken over, whatever it holds.
fn not_taken(slo: &Object<'_>, remarks: &mut Remarks) {
    // what we have written ourselves asks for what we count
    if !slo.spec.value.any_text(&|text| text.contains("evenkeel_sla_requests_total")) {
        remarks.say(&slo.spec, "its queries are not used: Evenkeel counts the requests that pass through it");
    }
    let metadata = slo.node.field("metadata");
    if ["labels", "annotations"].into_iter().any(|key| metadata.get(key).is_some()) {
        remarks.say(&metadata, "labels and annotations of an SLO are not kept");
    }
    let Some(policies) = slo.spec.get("alertPolicies") else { return };
    if !policies.items(remarks).iter().all(|policy| is_policy(policy, remarks)) {
        remarks.say(&policies, NO_POLICIES);
    }
}

/// Whether an SLO has one of our policies here: by a reference, by its bare name as the old schemas want it, or defined at this place.
fn is_policy(policy: &Node<'_>, remarks: &mut Remarks) -> bool {
    if let Some(name) = policy.value.as_text().or(policy.field("alertPolicyRef").value.as_text()) {
        return alerts::is_policy(name);
    }
    let name = policy.field("metadata").field("name").value.as_text();
    let conditions = policy.field("spec").get("conditions").map_or_else(Vec::new, |all| all.items(remarks));
    let is_ours = |condition: &Node<'_>| match condition.field("conditionRef").value.as_text() {
        Some(name) => alerts::is_policy(name),
        None => is_workbook(&condition.field("spec")),
    };
    name.is_some_and(alerts::is_policy) && !conditions.is_empty() && conditions.iter().all(is_ours)
}

/// What is said of the objects that are no SLOs.
fn others(objects: &[Object<'_>], goals: &[(&str, Vec<Goal<'_>>)], remarks: &mut Remarks) {
    for object in objects {
        match object.kind {
            "DataSource" => remarks
                .say(&object.node, "a data source is not used: Evenkeel counts the requests that pass through it"),
            "AlertCondition" if !is_workbook(&object.spec) => {
                remarks.say(
                    &object.node,
                    "is none of the SRE workbook's alerts, which Evenkeel has for every promise: it is not taken",
                );
            }
            "AlertNotificationTarget" if !object.name.starts_with("evenkeel-") => {
                remarks.say(&object.node, "who is told stands in [[notify]] of proxy.toml: it is not taken");
            }
            "AlertPolicy" if !alerts::is_policy(object.name) => {
                remarks.say(&object.node, NO_POLICIES);
            }
            "Service" if !goals.iter().any(|(service, _)| *service == object.name) => {
                remarks.say(&object.node, "no SLO that can be taken is for this service: nothing is promised of it");
            }
            _ => {}
        }
    }
}

fn is_workbook(spec: &Node<'_>) -> bool {
    let condition = spec.field("condition");
    let (threshold, long) = (condition.field("threshold").value, condition.field("lookbackWindow").value);
    threshold.as_number().zip(long.as_text()).is_some_and(|(threshold, long)| alerts::is_ours(threshold, long))
}

/// The goals of one service, and what its annotations say, as one promise.
fn promised(name: &str, goals: &[Goal<'_>], service: Option<&Object<'_>>, remarks: &mut Remarks) -> Option<Service> {
    let first = goals.first()?;
    let target = goals.iter().map(|goal| goal.target).fold(0.0, f64::max);
    for goal in goals.iter().filter(|goal| goal.target < target) {
        let text = format!(
            "its target {} gives way to {target}, the strictest for the service: a promise has one",
            goal.target
        );
        remarks.say(&goal.node, text);
    }
    for goal in goals.iter().filter(|goal| goal.window != first.window) {
        remarks.say(&goal.node, "its window gives way to that of the first SLO of the service: a promise has one");
    }
    let metadata = service.map(|service| service.node.field("metadata"));
    let mut kept = Kept::of(metadata, remarks);
    let latency =
        goals.iter().filter_map(|goal| goal.latency).min().or_else(|| kept.duration(annotation::LATENCY, remarks));
    let floor = goals.iter().filter_map(|goal| goal.floor).reduce(f64::max);
    let mut duration = |name: &'static str, default| {
        let said = kept.duration(name, remarks);
        if said.is_none() {
            kept.missing.extend(name.strip_prefix(annotation::PREFIX));
        }
        said.unwrap_or(default)
    };
    let promise = Promise {
        rto: duration(annotation::RTO, Duration::from_secs(60)),
        rpo: duration(annotation::RPO, Duration::from_secs(1)),
        mttr: duration(annotation::MTTR, Duration::from_secs(300)),
        mtbf: duration(annotation::MTBF, Duration::from_secs(720 * 3600)),
        window: kept.window(first.window, remarks),
        floor: kept.floor(floor, remarks),
        protect: kept.read(annotation::PROTECT, remarks, |text| text.parse().ok()).unwrap_or(false),
        tier: kept.tier(target, remarks),
        target,
        latency,
    };
    if !kept.missing.is_empty() {
        let names = kept.missing.join(", ");
        remarks.say(&first.node, format!("nothing is said of {names}: Evenkeel's own values are taken"));
    }
    let maintenance = kept.maintenance(remarks);
    let name = kept.read(annotation::SERVICE, remarks, |text| Some(text.to_owned())).unwrap_or_else(|| name.to_owned());
    kept.rest(remarks);
    if !bounds::is_name(&name) {
        let text = format!(
            "{name:?} can't be the name of a service in proxy.toml (letters, digits, \"-\", \"_\" and \".\"): nothing is promised of it"
        );
        remarks.say(&first.node, text);
        return None;
    }
    Some(Service { name, promise, maintenance })
}

/// The floor of a promise for which no `Timeslices` say one.
pub const DEFAULT_FLOOR: f64 = 0.95;

/// What the annotations of a service have kept of a promise.
struct Kept<'a> {
    annotations: Option<Node<'a>>,
    known: BTreeSet<String>,
    /// What had to be known and is neither here nor in an SLO.
    missing: Vec<&'static str>,
}

impl<'a> Kept<'a> {
    fn of(metadata: Option<Node<'a>>, remarks: &mut Remarks) -> Self {
        if let Some(metadata) = metadata.as_ref().filter(|metadata| metadata.get("labels").is_some()) {
            remarks.say(&metadata.field("labels"), "labels are not kept");
        }
        let annotations = metadata.and_then(|metadata| metadata.get("annotations"));
        Self { annotations, known: BTreeSet::new(), missing: Vec::new() }
    }

    /// The value of an annotation; `None` = it is missing, or (with a remark) means nothing.
    fn read<T>(&mut self, name: &str, remarks: &mut Remarks, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.known.insert(name.to_owned());
        let found = self.annotations.as_ref()?.get(name)?;
        let value = found.value.as_text().and_then(parse);
        if value.is_none() {
            remarks.say(&found, "can't be read: the default is taken");
        }
        value
    }

    fn duration(&mut self, name: &str, remarks: &mut Remarks) -> Option<Duration> {
        let least = if name == annotation::RPO { SHORTEST_RPO } else { bounds::SHORTEST };
        let time = self.read(name, remarks, parse)?;
        if time >= least {
            return Some(time);
        }
        if let Some(annotations) = &self.annotations {
            let text = format!("is below the shortest time, {}: the default is taken", written(least));
            remarks.say(&annotations.field(name), text);
        }
        None
    }

    fn maintenance(&mut self, remarks: &mut Remarks) -> Vec<String> {
        let mut windows = Vec::new();
        let name = |number: usize| format!("{}{number}", annotation::MAINTENANCE);
        for name in (1..).map(name) {
            let Some(said) = self.annotations.as_ref().and_then(|annotations| annotations.get(&name)) else { break };
            self.known.insert(name);
            match said.value.as_text().filter(|text| bounds::is_maintenance(text)) {
                Some(text) => windows.push(text.to_owned()),
                None => remarks.say(&said, "is no maintenance that proxy.toml takes: it is left out"),
            }
        }
        windows
    }

    /// The window, which stands here where OpenSLO could only say about how long it is.
    fn window(&mut self, said: Window, remarks: &mut Remarks) -> Window {
        let exact = self.duration(annotation::WINDOW, remarks);
        match (said, exact) {
            (Window::Rolling(said), Some(exact)) if Shorthand::of(exact).length() == said => {
                Window::Rolling(bounds::window(exact))
            }
            _ => said,
        }
    }

    /// The floor, which stands here where OpenSLO could not say that there is none.
    fn floor(&mut self, said: Option<f64>, remarks: &mut Remarks) -> f64 {
        let kept =
            self.read(annotation::FLOOR, remarks, |text| text.parse().ok().filter(|floor| (0.0..=1.0).contains(floor)));
        match (said, kept) {
            (None | Some(NO_FLOOR), Some(kept)) => kept,
            (Some(said), _) => said,
            (None, None) => {
                self.missing.push("floor");
                DEFAULT_FLOOR
            }
        }
    }

    /// The tier, as long as the target is still that of the tier.
    fn tier(&mut self, target: f64, remarks: &mut Remarks) -> Option<Tier> {
        let named = |text: &str| Tier::ALL.into_iter().find(|tier| tier.as_str() == text);
        let tier = self.read(annotation::TIER, remarks, named)?;
        if tier.target() == target {
            return Some(tier);
        }
        if let Some(annotations) = &self.annotations {
            remarks.say(
                annotations,
                format!("the target {target} is not that of the tier {}: the target is taken", tier.as_str()),
            );
        }
        None
    }

    /// Says which annotations are none of those that were read.
    fn rest(&self, remarks: &mut Remarks) {
        let Some(annotations) = &self.annotations else { return };
        let all = annotations.value.fields().into_iter().flat_map(|fields| fields.keys());
        for key in all.filter(|key| !self.known.contains(*key)) {
            remarks.say(&annotations.field(key), "the annotation is not kept");
        }
    }
}
