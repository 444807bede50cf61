//! What an instance says of itself: which backends its recovery repairs, and what its detectors have found. It stands in one key under a lease, so it
//! goes with the instance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest value that is read, in bytes.
pub const LONGEST: usize = 128 * 1024;
/// The most verdicts that an instance tells; of more, the surest.
pub const MOST_VERDICTS: usize = 100;
/// The most repairs that are followed of one instance.
const MOST_REPAIRS: usize = 100;
/// The most instances that are known.
pub const MOST_INSTANCES: usize = 100;
/// The longest reason that is told, in characters.
const LONGEST_REASON: usize = 300;

/// What one instance says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The fencing token of its leadership, where it repairs anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<i64>,
    /// The backends that get no work because it repairs them.
    #[serde(default)]
    pub repairs: Vec<Repair>,
    /// What its detectors have found, the surest first.
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
    /// How many verdicts there are beside those.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_verdicts: usize,
}

/// A backend that gets no work because it is repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// Its service.
    pub service: String,
    /// The backend.
    pub backend: String,
    /// Why, for people.
    pub reason: String,
}

/// What the detectors of an instance have found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The service.
    pub service: String,
    /// The backend, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// What is wrong, as events name it.
    pub fault: String,
    /// How sure they are, from 0 to 1.
    pub confidence: f64,
    /// Since when, as RFC 3339 has it.
    pub since: String,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Instance {
    /// Takes on other verdicts.
    pub fn set_verdicts(&mut self, mut verdicts: Vec<Verdict>) {
        verdicts.sort_by(|a, b| {
            let surest = b.confidence.total_cmp(&a.confidence);
            surest.then_with(|| (&a.service, &a.backend, &a.fault).cmp(&(&b.service, &b.backend, &b.fault)))
        });
        self.more_verdicts = verdicts.len().saturating_sub(MOST_VERDICTS);
        verdicts.truncate(MOST_VERDICTS);
        self.verdicts = verdicts;
    }

    /// A backend is repaired, for this reason; `None` = not any more.
    pub fn set_repair(&mut self, service: &str, backend: &str, reason: Option<&str>) {
        self.repairs.retain(|known| known.service != service || known.backend != backend);
        if let Some(reason) = reason.filter(|_| self.repairs.len() < MOST_REPAIRS) {
            let reason = reason.chars().take(LONGEST_REASON).collect();
            self.repairs.push(Repair { service: service.to_owned(), backend: backend.to_owned(), reason });
        }
    }

    /// The value of its key.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the value of a key.
    ///
    /// # Errors
    ///
    /// Why it can't be used, for people.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LONGEST {
            return Err(format!("it has {} bytes, and {LONGEST} are read at most", bytes.len()));
        }
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut read: Self = serde_json::from_value(object.into()).map_err(|error| error.to_string())?;
        read.repairs.truncate(MOST_REPAIRS);
        read.verdicts.truncate(MOST_VERDICTS);
        read.verdicts.retain(|verdict| (0.0..=1.0).contains(&verdict.confidence));
        Ok(read)
    }
}

/// The repairs of the others that hold, each with the instance that does it. Only one may repair at a time: where two say that they do, what counts is
/// the word of the one with the higher token.
pub fn repairs(others: &BTreeMap<String, Instance>) -> Vec<(Repair, String)> {
    let repairing = others.iter().filter(|(_, instance)| !instance.repairs.is_empty());
    let Some(highest) = repairing.clone().map(|(_, instance)| instance.token).max() else { return Vec::new() };
    let leaders = repairing.filter(|(_, instance)| instance.token == highest);
    leaders.flat_map(|(name, instance)| instance.repairs.iter().map(|repair| (repair.clone(), name.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(backend: &str, confidence: f64) -> Verdict {
        Verdict {
            service: "app".into(),
            backend: Some(backend.into()),
            fault: "high_latency".to_owned(),
            confidence,
            since: "2026-01-01T00:00:00.000Z".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_and_bounded() {
        let mut instance = Instance { token: Some(7), ..Instance::default() };
        instance.set_verdicts((0..150).map(|n| verdict(&n.to_string(), f64::from(n) / 200.0)).collect());
        assert_eq!((instance.verdicts.len(), instance.more_verdicts), (MOST_VERDICTS, 50));
        assert_eq!(instance.verdicts[0].backend.as_deref(), Some("149"));
        instance.set_repair("app", "a", Some(&"x".repeat(1000)));
        instance.set_repair("app", "a", Some("again"));
        assert_eq!(instance.repairs.len(), 1);
        assert_eq!(Instance::from_json(&instance.to_json()), Ok(instance.clone()));
        instance.set_repair("app", "a", None);
        assert!(instance.repairs.is_empty());
        assert_eq!(Instance::from_json(b"{}"), Ok(Instance::default()));
        for bad in [&b"[]"[..], b"{", &b" ".repeat(LONGEST + 1)] {
            assert!(Instance::from_json(bad).is_err());
        }
    }

    #[test]
    fn repairs_of_a_leader_that_was_are_not_followed() {
        let mut others = BTreeMap::new();
        for (name, token, backend) in [("old", Some(3), "a"), ("new", Some(9), "b")] {
            let mut instance = Instance { token, ..Instance::default() };
            instance.set_repair("app", backend, Some("restart"));
            others.insert(name.to_owned(), instance);
        }
        others.insert("idle".to_owned(), Instance { token: Some(99), ..Instance::default() });
        let followed = repairs(&others);
        assert_eq!(followed.iter().map(|(repair, by)| (&*repair.backend, &**by)).collect::<Vec<_>>(), [("b", "new")]);
        assert!(repairs(&BTreeMap::new()).is_empty());
    }
}
