//! The life of a job: its statuses, which may follow which, and what a user may ask for. Pure.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-status.html>

use serde::{Deserialize, Serialize};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum JobStatus {
    /// Made, not looked at yet.
    New,
    /// What it is to work on is being listed.
    Preparing,
    /// Waits for its user's word.
    Suspended,
    /// Waits for its turn.
    Ready,
    /// Runs.
    Active,
    /// Makes room for one of higher priority.
    Pausing,
    /// Has made room, and waits for its turn again.
    Paused,
    /// All is done; its report is being written.
    Completing,
    /// Done.
    Complete,
    /// Its user has given it up; its report is being written.
    Cancelling,
    /// Given up.
    Cancelled,
    /// It cannot go on; its report is being written.
    Failing,
    /// It could not go on.
    Failed,
}

/// What the controller has to do for a job. A job's lane follows from its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// List what it is to work on.
    Prepare,
    /// Work.
    Run,
    /// Write the report, forget the lists, end it.
    Finish,
    /// Nothing, until its user says so.
    Wait,
}

/// What a user may ask of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedStatus {
    /// To run, of one that waits for that.
    Ready,
    /// To end.
    Cancelled,
}

impl JobStatus {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::New,
        Self::Preparing,
        Self::Suspended,
        Self::Ready,
        Self::Active,
        Self::Pausing,
        Self::Paused,
        Self::Completing,
        Self::Complete,
        Self::Cancelling,
        Self::Cancelled,
        Self::Failing,
        Self::Failed,
    ];

    /// As S3 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Preparing => "Preparing",
            Self::Suspended => "Suspended",
            Self::Ready => "Ready",
            Self::Active => "Active",
            Self::Pausing => "Pausing",
            Self::Paused => "Paused",
            Self::Completing => "Completing",
            Self::Complete => "Complete",
            Self::Cancelling => "Cancelling",
            Self::Cancelled => "Cancelled",
            Self::Failing => "Failing",
            Self::Failed => "Failed",
        }
    }

    /// From S3's spelling.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Cancelled | Self::Failed)
    }

    /// What there is to do; nothing for what has ended.
    pub fn lane(self) -> Option<Lane> {
        match self {
            Self::New | Self::Preparing => Some(Lane::Prepare),
            Self::Suspended => Some(Lane::Wait),
            Self::Ready | Self::Active | Self::Pausing | Self::Paused => Some(Lane::Run),
            Self::Completing | Self::Cancelling | Self::Failing => Some(Lane::Finish),
            Self::Complete | Self::Cancelled | Self::Failed => None,
        }
    }

    /// Whether `next` may follow.
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::New => matches!(next, Self::Preparing | Self::Cancelling | Self::Failing),
            Self::Preparing => {
                matches!(next, Self::Suspended | Self::Ready | Self::Cancelling | Self::Failing)
            }
            Self::Suspended => matches!(next, Self::Ready | Self::Cancelling),
            Self::Ready => matches!(next, Self::Active | Self::Cancelling | Self::Failing),
            Self::Active => matches!(next, Self::Pausing | Self::Completing | Self::Cancelling | Self::Failing),
            // One that was pausing when its last task ended has nothing left to pause.
            Self::Pausing => {
                matches!(next, Self::Paused | Self::Active | Self::Completing | Self::Cancelling | Self::Failing)
            }
            Self::Paused => matches!(next, Self::Active | Self::Cancelling | Self::Failing),
            Self::Completing => matches!(next, Self::Complete | Self::Failing),
            Self::Cancelling => matches!(next, Self::Cancelled | Self::Failing),
            Self::Failing => matches!(next, Self::Failed),
            Self::Complete | Self::Cancelled | Self::Failed => false,
        }
    }

    /// What a user's request makes of it; nothing where it is too late, or too early.
    pub fn requested(self, request: RequestedStatus) -> Option<Self> {
        let next = match request {
            RequestedStatus::Ready if self == Self::Suspended => Self::Ready,
            RequestedStatus::Ready => return None,
            RequestedStatus::Cancelled => Self::Cancelling,
        };
        self.may_become(next).then_some(next)
    }

    /// What it ends as, once its report is written.
    pub(crate) fn end(self) -> Option<Self> {
        match self {
            Self::Completing => Some(Self::Complete),
            Self::Cancelling => Some(Self::Cancelled),
            Self::Failing => Some(Self::Failed),
            Self::New
            | Self::Preparing
            | Self::Suspended
            | Self::Ready
            | Self::Active
            | Self::Pausing
            | Self::Paused
            | Self::Complete
            | Self::Cancelled
            | Self::Failed => None,
        }
    }
}

impl Lane {
    /// Its place in keys.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Prepare => 0,
            Self::Run => 1,
            Self::Finish => 2,
            Self::Wait => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn users_confirm_and_cancel() {
        use JobStatus::*;
        let check = |from: JobStatus, ready: Option<JobStatus>, cancelled: Option<JobStatus>| {
            assert_eq!(from.requested(RequestedStatus::Ready), ready, "{from:?}");
            assert_eq!(from.requested(RequestedStatus::Cancelled), cancelled, "{from:?}");
        };
        check(Suspended, Some(Ready), Some(Cancelling));
        for status in [New, Preparing, Ready, Active, Pausing, Paused] {
            check(status, None, Some(Cancelling));
        }
        for status in [Completing, Complete, Cancelling, Cancelled, Failing, Failed] {
            check(status, None, None);
        }
    }

    #[test]
    fn every_status_is_spelled_and_leads_to_an_end() {
        for status in JobStatus::ALL {
            assert_eq!(JobStatus::parse(status.name()), Some(status));
            let next: Vec<_> = JobStatus::ALL.into_iter().filter(|next| status.may_become(*next)).collect();
            assert_eq!(next.is_empty(), status.is_final(), "{status:?}");
            assert_eq!(status.lane().is_none(), status.is_final(), "{status:?}");
            assert!(!status.may_become(status), "{status:?}");
            if let Some(end) = status.end() {
                assert!(status.may_become(end) && end.is_final());
                assert_eq!(status.lane(), Some(Lane::Finish));
            }
        }
        assert_eq!(JobStatus::parse("active"), None);
    }

    proptest! {
        /// Whatever order statuses follow in: a job that was finishing never runs again, one that ran is never prepared or confirmed
        /// again, and what has ended stays.
        #[test]
        fn lives_go_one_way(choices in proptest::collection::vec(0_usize..13, 0..40)) {
            let mut status = JobStatus::New;
            let (mut ran, mut finishing, mut ended) = (false, false, None);
            for choice in choices {
                let next = JobStatus::ALL[choice];
                if !status.may_become(next) {
                    continue;
                }
                prop_assert!(ended.is_none());
                prop_assert!(!finishing || !matches!(next.lane(), Some(Lane::Prepare | Lane::Run | Lane::Wait)));
                prop_assert!(!ran || !matches!(next, JobStatus::New | JobStatus::Preparing | JobStatus::Suspended));
                ran |= next == JobStatus::Active;
                finishing |= next.lane() == Some(Lane::Finish);
                if next.is_final() {
                    // Nothing ends without having been finished.
                    prop_assert_eq!(status.end(), Some(next));
                    ended = Some(next);
                }
                status = next;
            }
        }
    }
}
