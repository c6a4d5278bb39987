//! Who replicates and what that must be allowed: to read what is copied, and to write the copy. Copies nothing.

use tarn_audit::{Caller, EventDraft};
use tarn_metadata::Read;
use tarn_policy::{BoundAuthorizer, Context, Principal, Requirement, ServiceRoles};
use tarn_runtime::EntropyExt;
use tarn_types::Scope;

use crate::encryption::Encryption;
use crate::errors::ObjectsError;
use crate::get::ObjectVersion;
use crate::keyspaces::BUCKETS;
use crate::records::{Bucket, VersionRecord, Versioning, bucket_key};
use crate::replication::failure::Failure;
use crate::replication::rules::{ReplicationRule, bucket_of};
use crate::replication::worker::{Replicator, SERVICE, Turn, Work};

/// What its sessions of roles are called, as on AWS.
const SESSION_NAME: &str = "s3-replication";

/// Who replicates.
pub(super) struct Actor {
    pub(super) principal: Principal,
    pub(super) context: Context,
    /// Whether it is a role, which must be allowed to read what it copies.
    pub(super) is_role: bool,
}

impl Replicator {
    /// Who replicates: a session of the role, if it trusts S3.
    pub(super) fn actor(&self, work: &Work) -> Result<Actor, Failure> {
        let Bucket { owner, region, name, .. } = &work.source;
        let Some(role) = &work.role else {
            let principal = Principal::root(owner.clone());
            return Ok(Actor { principal, context: Context::new(), is_role: false });
        };
        let session = self.roles.assume(role, owner, &name.arn().to_string(), SESSION_NAME);
        let principal = session.map_err(|denied| Failure::denied("AssumeRoleNotPermitted", &denied))?;
        Ok(Actor { principal, context: ServiceRoles::context(self.objects.runtime.now(), region), is_role: true })
    }

    pub(super) fn ask(&self, actor: &Actor, needs: Vec<(&'static str, Requirement)>) -> Result<(), Failure> {
        for (reason, need) in needs {
            let asked = self.roles.authorizer().authorize(&actor.principal, vec![need], &actor.context);
            asked.map_err(|denied| Failure::denied(reason, &denied))?;
        }
        Ok(())
    }

    /// Refuses where a role may not read what it is to copy. Tells whether it may read the tags: as on AWS, they stay behind otherwise.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html>
    pub(super) fn may_read(
        &self,
        actor: &Actor,
        work: &Work,
        turn: &Turn<'_>,
        seen: Option<&VersionRecord>,
    ) -> Result<bool, Failure> {
        if !actor.is_role {
            return Ok(true);
        }
        let bucket = &work.source.name;
        let on_bucket = |action| ("SrcGetObjNotPermitted", Requirement::new(action, bucket.arn()));
        let on_object = |action| {
            let mut need = Requirement::new(action, turn.task.key.arn(bucket));
            if let Some(seen) = seen {
                need.context.set("s3:VersionId", seen.version_id().to_string());
            }
            need
        };
        let mut needs = vec![on_bucket("s3:GetReplicationConfiguration"), on_bucket("s3:ListBucket")];
        let Some(seen) = seen else { return self.ask(actor, needs).map(|()| true) };
        needs.push(("SrcGetObjNotPermitted", on_object("s3:GetObjectVersionForReplication")));
        needs.push(("SrcGetAclNotPermitted", on_object("s3:GetObjectVersionAcl")));
        if seen.lock.retention.is_some() {
            needs.push(("SrcGetObjNotPermitted", on_object("s3:GetObjectRetention")));
        }
        if seen.lock.legal_hold.is_some() {
            needs.push(("SrcGetObjNotPermitted", on_object("s3:GetObjectLegalHold")));
        }
        self.ask(actor, needs)?;
        match self.ask(actor, vec![("SrcGetTaggingNotPermitted", on_object("s3:GetObjectVersionTagging"))]) {
            Ok(()) => Ok(true),
            Err(Failure::Final(..)) => Ok(false),
            Err(failure @ Failure::ForNow(_)) => Err(failure),
        }
    }

    /// Asks for what a role must be allowed at a bucket elsewhere, by the name that rules and policies know it by.
    pub(super) fn may_write_out(
        &self,
        actor: &Actor,
        turn: &Turn<'_>,
        actions: Vec<(&'static str, &'static str)>,
    ) -> Result<(), Failure> {
        if !actor.is_role {
            return Ok(());
        }
        let bucket = bucket_of(&turn.destination).ok_or_else(|| Failure::of("DstBucketNotFound"))?;
        let need = |(reason, action)| (reason, Requirement::new(action, turn.task.key.arn(&bucket)));
        self.ask(actor, actions.into_iter().map(need).collect())
    }

    /// The bucket here that a task is for, and the proof that it may be written to: with tags, if `has_tags` is said of a version; as a
    /// marker otherwise.
    pub(super) fn destination(
        &self,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
        actor: &Actor,
        has_tags: Option<bool>,
    ) -> Result<(Bucket, Caller), Failure> {
        let name = bucket_of(&turn.destination).ok_or_else(|| Failure::of("DstBucketNotFound"))?;
        let snapshot = self.objects.snapshot()?;
        let found = snapshot.get(BUCKETS, &bucket_key(&name)).map_err(ObjectsError::from)?;
        let bucket = found.ok_or_else(|| Failure::of("DstBucketNotFound"))?;
        if bucket.versioning != Versioning::Enabled {
            return Err(Failure::of("DstBucketUnversioned"));
        }
        let on_object = |action| Requirement::new(action, turn.task.key.arn(&bucket.name));
        let is_marker = has_tags.is_none();
        let mut needs = match is_marker {
            true => vec![("DstDelObjNotPermitted", on_object("s3:ReplicateDelete"))],
            false => vec![("DstPutObjNotPermitted", on_object("s3:ReplicateObject"))],
        };
        if has_tags == Some(true) && actor.is_role {
            needs.push(("DstPutTaggingNotPermitted", on_object("s3:ReplicateTags")));
        }
        if !is_marker && rule.destination.is_given_over {
            needs.push(("DstPutAclNotPermitted", on_object("s3:ObjectOwnerOverrideToBucketOwner")));
        }
        self.ask(actor, needs.clone())?;
        let all = needs.into_iter().map(|(_, need)| need).collect();
        let authorized = self.roles.authorizer().authorize(&actor.principal, all, &actor.context);
        let authorized = authorized.map_err(|denied| Failure::denied("DstPutObjNotPermitted", &denied))?;
        let scope = Scope { account: bucket.owner.clone(), region: bucket.region.clone() };
        let draft = self.draft(turn, scope, actor.principal.clone());
        let (principal, context) = (actor.principal.clone(), actor.context.clone());
        let bound = BoundAuthorizer::new(self.roles.authorizer().clone(), principal, context);
        Ok((bucket, Caller::new(authorized, bound, draft)))
    }

    /// What is on record of a task.
    pub(super) fn draft(&self, turn: &Turn<'_>, scope: Scope, principal: Principal) -> EventDraft {
        let runtime = &self.objects.runtime;
        let bucket = turn.destination.rsplit(':').next().unwrap_or_default();
        EventDraft {
            id: runtime.entropy.bytes(),
            request_id: runtime.entropy.uuid().to_string(),
            time_ms: self.objects.now_ms(),
            event_source: SERVICE.to_owned(),
            event_name: if turn.task.marker.is_some() { "DeleteObject" } else { "PutObject" }.to_owned(),
            read_only: false,
            management: false,
            scope,
            principal,
            source_ip: SERVICE.to_owned(),
            user_agent: SERVICE.to_owned(),
            request_parameters: serde_json::json!({
                "bucketName": bucket, "key": turn.task.key, "x-amz-replication-status": "REPLICA",
            })
            .to_string(),
            resources: vec![format!("{}/{}", turn.destination, turn.task.key)],
        }
    }

    /// Refuses where a role may not open what a KMS key seals.
    pub(super) fn may_decrypt(&self, actor: &Actor, version: &ObjectVersion) -> Result<(), Failure> {
        if !actor.is_role || !matches!(version.record().encryption, Encryption::Kms(_)) {
            return Ok(());
        }
        let (principal, context) = (actor.principal.clone(), actor.context.clone());
        let bound = BoundAuthorizer::new(self.roles.authorizer().clone(), principal, context);
        match self.objects.unlock(&bound, version, None) {
            Ok(_) => Ok(()),
            Err(ObjectsError::Denied(denied)) => Err(Failure::denied("SrcGetObjNotPermitted", &denied)),
            Err(error) => Err(error.into()),
        }
    }
}
