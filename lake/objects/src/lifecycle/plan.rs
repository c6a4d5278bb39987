//! What a bucket's rules want of one key now, and when they want to be asked again. Knows no store and no clock.
//!
//! A day ends at midnight UTC: what is due so many days after a moment is due at the midnight after it. Where several rules want
//! something of one version, removal wins over a move, and the colder class over the warmer.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html>

use crate::StorageClass;
use crate::lifecycle::rules::{
    LifecycleConfiguration, LifecycleExpiration, LifecycleFilter, LifecycleRule, LifecycleTime, LifecycleTransition,
    NoncurrentExpiration, TRANSITION_SIZE_BYTES_MIN, TransitionMinimum,
};
use crate::records::VersionUuid;
use crate::tagging::Tags;
use crate::versions::VersionId;

/// How long a day lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Days {
    pub(crate) day_ms: i64,
}

impl Days {
    /// The end of the day that is `days` days after `from_ms`.
    pub(crate) fn after(self, from_ms: i64, days: u32) -> i64 {
        self.end_of(from_ms.saturating_add(i64::from(days).saturating_mul(self.day_ms)))
    }

    /// The first midnight that is not before `at_ms`.
    pub(crate) fn end_of(self, at_ms: i64) -> i64 {
        let past = at_ms.rem_euclid(self.day_ms);
        if past == 0 { at_ms } else { at_ms.saturating_add(self.day_ms - past) }
    }

    /// The last midnight that is not after `at_ms`.
    pub(crate) fn start_of(self, at_ms: i64) -> i64 {
        at_ms - at_ms.rem_euclid(self.day_ms)
    }

    fn at(self, time: LifecycleTime, from_ms: i64) -> i64 {
        match time {
            LifecycleTime::Days(days) => self.after(from_ms, days),
            LifecycleTime::DateMs(date_ms) => date_ms,
        }
    }
}

/// What keeps a version from being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kept {
    #[default]
    No,
    /// Until then.
    UntilMs(i64),
    /// Until somebody says otherwise.
    Held,
}

/// Which version: a null version may have been replaced by another under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Which {
    pub(crate) name: VersionId,
    pub(crate) uuid: VersionUuid,
}

/// A version as rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionState {
    pub(crate) version: Which,
    /// Nothing: a delete marker.
    pub(crate) object: Option<ObjectState>,
    pub(crate) modified_ms: i64,
    /// Nothing: it is the latest.
    pub(crate) noncurrent_since_ms: Option<i64>,
    pub(crate) kept: Kept,
}

/// What a delete marker does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectState {
    pub(crate) size_bytes: u64,
    pub(crate) tags: Tags,
    pub(crate) class: StorageClass,
}

/// An upload as rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UploadState {
    pub(crate) id: VersionUuid,
    pub(crate) initiated_ms: i64,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LifecycleAction {
    /// The current version ends: a delete marker takes its place, or nothing.
    Expire { version: Which },
    /// A noncurrent version, or a delete marker with nothing under it, is removed for good.
    Remove { version: Which },
    /// A version moves to another class.
    Move { version: Which, class: StorageClass },
    /// An upload is given up.
    Abort { upload: VersionUuid },
}

/// An action and the rule that wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) action: LifecycleAction,
    pub(crate) rule: String,
}

/// What rules want of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// Now.
    pub(crate) actions: Vec<Wanted>,
    /// When they want something next, if nothing at the key changes until then.
    pub(crate) next_ms: Option<i64>,
    /// There may be more to do now: as many actions were found as one plan has.
    pub(crate) is_cut: bool,
}

/// The most that one plan wants, so that a key with many versions is worked off piece by piece.
pub(crate) const ACTIONS_COUNT_MAX: usize = 100;

impl Plan {
    /// Something is wanted at `due_ms`; true if that is now.
    fn wants(&mut self, due_ms: i64, now_ms: i64) -> bool {
        if due_ms <= now_ms {
            return true;
        }
        self.next_ms = Some(self.next_ms.map_or(due_ms, |next| next.min(due_ms)));
        false
    }
}

/// The rules that can have a say at one key.
struct Rules<'r> {
    rules: Vec<&'r LifecycleRule>,
    minimum: TransitionMinimum,
    days: Days,
    now_ms: i64,
}

/// What `configuration` wants of `key`, at which lie `versions`, the newest first, and `uploads`.
pub(crate) fn plan<E>(
    configuration: &LifecycleConfiguration,
    key: &str,
    versions: impl Iterator<Item = Result<VersionState, E>>,
    uploads: impl Iterator<Item = Result<UploadState, E>>,
    days: Days,
    now_ms: i64,
) -> Result<Plan, E> {
    let rules = Rules {
        rules: configuration.rules.iter().filter(|rule| rule.is_enabled && rule.filter.matches_key(key)).collect(),
        minimum: configuration.transition_minimum,
        days,
        now_ms,
    };
    let mut plan = Plan::default();
    if rules.rules.is_empty() {
        return Ok(plan);
    }
    let mut newer_noncurrent = 0;
    let mut versions = versions.peekable();
    while let Some(version) = versions.next() {
        let version = version?;
        if plan.actions.len() >= ACTIONS_COUNT_MAX {
            plan.is_cut = true;
            return Ok(plan);
        }
        match (version.noncurrent_since_ms, &version.object) {
            (None, Some(object)) => rules.of_current(&version, object, &mut plan),
            // As long as a version is under it, a delete marker means something.
            (None, None) if versions.peek().is_some() => {}
            (None, None) => rules.of_lone_marker(&version, &mut plan),
            (Some(since_ms), object) => {
                rules.of_noncurrent(&version, object.as_ref(), since_ms, newer_noncurrent, &mut plan);
                newer_noncurrent += 1;
            }
        }
    }
    for upload in uploads {
        if plan.actions.len() >= ACTIONS_COUNT_MAX {
            plan.is_cut = true;
            return Ok(plan);
        }
        rules.of_upload(&upload?, &mut plan);
    }
    Ok(plan)
}

fn matches(filter: &LifecycleFilter, object: Option<&ObjectState>) -> bool {
    match object {
        Some(object) => filter.matches_content(object.size_bytes, &object.tags),
        None => !filter.asks_for_content(),
    }
}

impl Rules<'_> {
    /// The earliest end of a current object, and whose it is.
    fn end_of_current(&self, modified_ms: i64, object: &ObjectState) -> Option<(i64, &str)> {
        let ends = self.rules.iter().filter(|rule| matches(&rule.filter, Some(object))).filter_map(|rule| {
            match rule.expiration {
                Some(LifecycleExpiration::At(time)) => Some((self.days.at(time, modified_ms), rule.id.as_str())),
                Some(LifecycleExpiration::DeleteMarkers) | None => None,
            }
        });
        // Of several at one time the first is named.
        ends.reduce(|first, other| if other.0 < first.0 { other } else { first })
    }

    fn of_current(&self, version: &VersionState, object: &ObjectState, plan: &mut Plan) {
        if let Some((due_ms, rule)) = self.end_of_current(version.modified_ms, object)
            && plan.wants(due_ms, self.now_ms)
        {
            let action = LifecycleAction::Expire { version: version.version };
            plan.actions.push(Wanted { action, rule: rule.to_owned() });
            return;
        }
        let moves = self.rules.iter().filter(|rule| matches(&rule.filter, Some(object))).flat_map(|rule| {
            let at = move |transition: &LifecycleTransition| {
                (self.days.at(transition.at, version.modified_ms), transition.class, *rule)
            };
            rule.transitions.iter().map(at)
        });
        self.moves(version, object, moves, plan);
    }

    /// The coldest of the classes it may move to now.
    fn moves<'r>(
        &self,
        version: &VersionState,
        object: &ObjectState,
        moves: impl Iterator<Item = (i64, StorageClass, &'r LifecycleRule)>,
        plan: &mut Plan,
    ) {
        let mut coldest: Option<(StorageClass, &str)> = None;
        for (due_ms, class, rule) in moves {
            if !object.class.may_become(class) || !self.is_large_enough(object, class, rule) {
                continue;
            }
            if plan.wants(due_ms, self.now_ms) && coldest.is_none_or(|(coldest, _)| coldest.may_become(class)) {
                coldest = Some((class, &rule.id));
            }
        }
        if let Some((class, rule)) = coldest {
            let action = LifecycleAction::Move { version: version.version, class };
            plan.actions.push(Wanted { action, rule: rule.to_owned() });
        }
    }

    fn is_large_enough(&self, object: &ObjectState, class: StorageClass, rule: &LifecycleRule) -> bool {
        let varies = self.minimum == TransitionMinimum::VariesByClass && class.is_restored_before_read();
        rule.filter.has_size() || varies || object.size_bytes >= TRANSITION_SIZE_BYTES_MIN
    }

    fn of_lone_marker(&self, version: &VersionState, plan: &mut Plan) {
        for rule in self.rules.iter().filter(|rule| matches(&rule.filter, None)) {
            let due_ms = match rule.expiration {
                None => continue,
                Some(LifecycleExpiration::DeleteMarkers) => self.now_ms,
                Some(LifecycleExpiration::At(time)) => self.days.at(time, version.modified_ms),
            };
            if plan.wants(due_ms, self.now_ms) {
                let action = LifecycleAction::Remove { version: version.version };
                plan.actions.push(Wanted { action, rule: rule.id.clone() });
                return;
            }
        }
    }

    fn of_noncurrent(
        &self,
        version: &VersionState,
        object: Option<&ObjectState>,
        since_ms: i64,
        newer_noncurrent: u32,
        plan: &mut Plan,
    ) {
        for rule in self.rules.iter().filter(|rule| matches(&rule.filter, object)) {
            let Some(NoncurrentExpiration { days, newer_versions }) = rule.noncurrent_expiration else { continue };
            // One that is among those to be kept is looked at again when a newer one pushes it out.
            if newer_noncurrent < newer_versions.unwrap_or(0) {
                continue;
            }
            let due_ms = match version.kept {
                Kept::No => self.days.after(since_ms, days),
                Kept::UntilMs(until_ms) => self.days.after(since_ms, days).max(self.days.end_of(until_ms)),
                Kept::Held => continue,
            };
            if plan.wants(due_ms, self.now_ms) {
                let action = LifecycleAction::Remove { version: version.version };
                plan.actions.push(Wanted { action, rule: rule.id.clone() });
                return;
            }
        }
        let Some(object) = object else { return };
        let moves = self.rules.iter().filter(|rule| matches(&rule.filter, Some(object))).flat_map(|rule| {
            let may = rule
                .noncurrent_transitions
                .iter()
                .filter(move |transition| newer_noncurrent >= transition.newer_versions.unwrap_or(0));
            may.map(move |transition| (self.days.after(since_ms, transition.days), transition.class, *rule))
        });
        self.moves(version, object, moves, plan);
    }

    /// The earliest end of an upload, and whose it is.
    fn end_of_upload(&self, initiated_ms: i64) -> Option<(i64, &str)> {
        let ends = self.rules.iter().filter_map(|rule| {
            let days = rule.abort_uploads_days?;
            Some((self.days.after(initiated_ms, days), rule.id.as_str()))
        });
        ends.reduce(|first, other| if other.0 < first.0 { other } else { first })
    }

    fn of_upload(&self, upload: &UploadState, plan: &mut Plan) {
        if let Some((due_ms, rule)) = self.end_of_upload(upload.initiated_ms)
            && plan.wants(due_ms, self.now_ms)
        {
            let action = LifecycleAction::Abort { upload: upload.id };
            plan.actions.push(Wanted { action, rule: rule.to_owned() });
        }
    }
}

/// What will end something, and when: for headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleEnd {
    /// The midnight, milliseconds since 1970. In days of 24 hours, whatever `ObjectsOptions::day_ms` says.
    pub at_ms: i64,
    /// The rule's id.
    pub rule: String,
}

fn rules_at<'r>(configuration: &'r LifecycleConfiguration, key: &str) -> Rules<'r> {
    Rules {
        rules: configuration.rules.iter().filter(|rule| rule.is_enabled && rule.filter.matches_key(key)).collect(),
        minimum: configuration.transition_minimum,
        days: Days { day_ms: crate::objects::DAY_MS },
        now_ms: 0,
    }
}

/// When the current object at `key` ends.
pub(crate) fn end_of_object(
    configuration: &LifecycleConfiguration,
    key: &str,
    modified_ms: i64,
    object: &ObjectState,
) -> Option<LifecycleEnd> {
    let rules = rules_at(configuration, key);
    let (at_ms, rule) = rules.end_of_current(modified_ms, object)?;
    Some(LifecycleEnd { at_ms, rule: rule.to_owned() })
}

/// When an upload at `key` is given up.
pub(crate) fn end_of_upload(
    configuration: &LifecycleConfiguration,
    key: &str,
    initiated_ms: i64,
) -> Option<LifecycleEnd> {
    let rules = rules_at(configuration, key);
    let (at_ms, rule) = rules.end_of_upload(initiated_ms)?;
    Some(LifecycleEnd { at_ms, rule: rule.to_owned() })
}
