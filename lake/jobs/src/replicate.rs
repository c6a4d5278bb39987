//! The task that has a version replicated: it asks for it, and is over when replication is. Knows no rules; replication acts as the role
//! of the bucket's own configuration.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html>

use std::time::Duration;

use tarn_metadata::Key;
use tarn_objects::{ObjectsError, ReplicationOutcome};

use crate::acting::{Call, mark};
use crate::job::Job;
use crate::jobs::Jobs;
use crate::task_errors::TaskFailure;
use crate::tasks::{SUCCESSFUL, Target, TaskOutcome};

/// How long a step waits for one replication. What takes longer is waited for by later steps: so a job that is cancelled, or has to make
/// room, does not go on for as long as a destination cannot be reached.
const PATIENCE: Duration = Duration::from_secs(1);

fn failure(code: String, reason: &str) -> TaskFailure {
    TaskFailure { code: code.into(), status: 400, reason: reason.to_owned() }
}

impl Jobs {
    /// Has a version replicated, unless `is_begun`. Nothing: it is not over.
    pub(crate) async fn replicate(
        &self,
        job: &Job,
        at: Key,
        target: Target,
        is_begun: bool,
    ) -> Result<Option<TaskOutcome>, ObjectsError> {
        let needs =
            self.objects.on_existing("s3:InitiateReplication", &target.bucket, &target.key, target.version())?;
        let call =
            Call { name: "InitiateReplication", read_only: false, requirements: vec![needs], said: target.said() };
        let caller = self.caller(job, call).map_err(ObjectsError::Denied)?.beside(mark(at));
        let version = self.objects.head_version(caller.authorized(), &target.bucket, &target.key, target.version())?;
        // Where it is refused the mark that it was begun is not committed: a step that is cut short asks again.
        if !is_begun {
            self.objects.initiate_replication(&caller, &version).await?;
        }
        Ok(match self.objects.replication_outcome(&version, PATIENCE).await? {
            ReplicationOutcome::Pending => None,
            ReplicationOutcome::Completed => Some(Ok(SUCCESSFUL.to_owned())),
            ReplicationOutcome::Failed(code) => Some(Err(failure(code, "the object could not be replicated"))),
        })
    }
}
