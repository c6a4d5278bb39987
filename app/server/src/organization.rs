//! `[organization]`: service and resource control policies, read from their files when the server starts. A file that is no such policy is
//! an error that says where. Knows not how they are decided by.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use tarn_policy::{ControlLevel, ControlLevels, Organization, OrganizationId, Policy, PolicyKind};
use tarn_types::AccountId;

use crate::config::AccountSetting;

/// What the table has.
pub(crate) const ORGANIZATION_KEYS: [&str; 3] = ["id", OF_ACCOUNT_KEYS[0], OF_ACCOUNT_KEYS[1]];
/// What policies are called there and in an account's own table.
pub(crate) const OF_ACCOUNT_KEYS: [&str; 2] = ["service_control_policies", "resource_control_policies"];
/// AWS's policy that allows everything, as files' names are given.
const FULL_ACCESS: &str = "FullAWSAccess";
const FULL_ACCESS_DOCUMENT: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
/// What every level of resource control has besides the policies given, as on AWS.
const RESOURCE_FULL_ACCESS_DOCUMENT: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

/// `[organization]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OrganizationSetting {
    /// What policies know it by: `o-` and 10 to 32 lower-case letters and digits.
    pub id: Option<String>,
    /// For all accounts.
    #[serde(flatten)]
    pub policies: ControlPoliciesSetting,
}

impl OrganizationSetting {
    /// As a file says it.
    pub(crate) fn show(&self, quoted: impl Fn(&str) -> String) -> String {
        let id = self.id.iter().map(|id| format!("id = {}\n", quoted(id)));
        id.chain([self.policies.show(&quoted)]).collect()
    }
}

/// Policies above accounts: files, or `FullAWSAccess` for AWS's policy of that name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ControlPoliciesSetting {
    /// What principals may at most be allowed: each level must allow.
    pub service_control_policies: Vec<PathBuf>,
    /// What is denied to everybody on the accounts' resources.
    pub resource_control_policies: Vec<PathBuf>,
}

impl ControlPoliciesSetting {
    fn is_empty(&self) -> bool {
        self.service_control_policies.is_empty() && self.resource_control_policies.is_empty()
    }

    /// As a file says it.
    pub(crate) fn show(&self, quoted: impl Fn(&str) -> String) -> String {
        let lists = [&self.service_control_policies, &self.resource_control_policies];
        let lines = OF_ACCOUNT_KEYS.iter().zip(lists).filter(|(_, files)| !files.is_empty());
        let line = |(key, files): (&&str, &Vec<PathBuf>)| {
            let files: Vec<String> = files.iter().map(|file| quoted(&file.display().to_string())).collect();
            format!("{key} = [{}]\n", files.join(", "))
        };
        lines.map(line).collect()
    }
}

fn policy(file: &Path, kind: PolicyKind) -> Result<Arc<Policy>, String> {
    let shown = file.display();
    let text = match file.as_os_str() == FULL_ACCESS {
        true if kind == PolicyKind::ServiceControl => FULL_ACCESS_DOCUMENT.to_owned(),
        true => RESOURCE_FULL_ACCESS_DOCUMENT.to_owned(),
        false => {
            std::fs::read_to_string(file).map_err(|error| format!("the policy file {shown} cannot be read: {error}"))?
        }
    };
    Policy::parse(&text, kind).map(Arc::new).map_err(|error| format!("the policy file {shown} is not right: {error}"))
}

fn level(name: &str, files: &[PathBuf], kind: PolicyKind) -> Result<Option<ControlLevel>, String> {
    if files.is_empty() {
        return Ok(None);
    }
    let mut policies = files.iter().map(|file| policy(file, kind)).collect::<Result<Vec<_>, _>>()?;
    if kind == PolicyKind::ResourceControl {
        policies.push(policy(Path::new(FULL_ACCESS), kind)?);
    }
    Ok(Some(ControlLevel { name: name.to_owned(), policies }))
}

/// The organisation that the settings describe, read from its files; `None` if they describe none. `management` is the first account.
pub(crate) fn read(
    setting: &OrganizationSetting,
    accounts: &[AccountSetting],
    management: &AccountId,
) -> Result<Option<Organization>, String> {
    let id = |text: &String| {
        let id = OrganizationId::parse(text);
        id.ok_or_else(|| format!("the id `{text}` is not `o-` and 10 to 32 lower-case letters and digits"))
    };
    let id = setting.id.as_ref().map(id).transpose()?;
    if id.is_none() && setting.policies.is_empty() && accounts.iter().all(|account| account.organization.is_empty()) {
        return Ok(None);
    }
    let levels = |kind, files: fn(&ControlPoliciesSetting) -> &[PathBuf]| {
        let others: Vec<ControlLevel> = level("organization", files(&setting.policies), kind)?.into_iter().collect();
        let mut levels = ControlLevels { others, ..ControlLevels::default() };
        for account in accounts {
            let Some(own) = level(account.id.as_str(), files(&account.organization), kind)? else { continue };
            if account.id == *management {
                return Err(format!(
                    "[[accounts]] {management}: policies of the organization do not bind its management account, which is the first account"
                ));
            }
            let all = levels.others.iter().cloned().chain([own]).collect();
            levels.of_accounts.insert(account.id.clone(), all);
        }
        Ok(levels)
    };
    Ok(Some(Organization {
        id,
        accounts: accounts.iter().map(|account| &account.id).chain([management]).cloned().collect::<BTreeSet<_>>(),
        management: management.clone(),
        service_control: levels(PolicyKind::ServiceControl, |setting| &setting.service_control_policies)?,
        resource_control: levels(PolicyKind::ResourceControl, |setting| &setting.resource_control_policies)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_policy_is_told_with_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let deny = |principal: &str| {
            format!(
                "{{\"Version\":\"2012-10-17\",\"Statement\":[\n{{\"Effect\":\"Deny\",{principal}\"Action\":\"s3:*\",\"Resource\":\"*\"}}]}}"
            )
        };
        let service = file("service.json", &deny(""));
        let resource = file("resource.json", &deny("\"Principal\":\"*\","));
        let wrong = file(
            "wrong.json",
            &deny("")
                .replace("Deny", "Refuse")
                .replace("[\n", "[\n\n{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\"},\n"),
        );
        let first = AccountId::first();
        let setting = |service: &[&PathBuf], resource: &[&PathBuf]| OrganizationSetting {
            id: None,
            policies: ControlPoliciesSetting {
                service_control_policies: service.iter().map(|path| (*path).clone()).collect(),
                resource_control_policies: resource.iter().map(|path| (*path).clone()).collect(),
            },
        };
        let called = |id: &str| OrganizationSetting { id: Some(id.to_owned()), ..OrganizationSetting::default() };
        let check = |setting: &OrganizationSetting, accounts: &[AccountSetting], expected: Result<bool, &str>| match (
            read(setting, accounts, &first),
            expected,
        ) {
            (Ok(found), Ok(is_some)) if found.is_some() == is_some => {}
            (Err(error), Err(words)) if error.contains(words) => {}
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        };
        check(&OrganizationSetting::default(), &[], Ok(false));
        check(&called("o-0123456789"), &[], Ok(true));
        check(&called(&format!("o-{}", "a".repeat(32))), &[], Ok(true));
        for wrong in
            ["", "o-", "o-012345678", "0123456789", "o-012345678A", "o-01234_6789", &format!("o-{}", "a".repeat(33))]
        {
            check(&called(wrong), &[], Err("lower-case letters and digits"));
        }
        let full = PathBuf::from(FULL_ACCESS);
        check(&setting(&[&full, &service], &[&resource]), &[], Ok(true));
        check(&setting(&[&wrong], &[]), &[], Err("wrong.json"));
        check(&setting(&[&wrong], &[]), &[], Err("statement 2, at line 4, column 1"));
        check(&setting(&[&resource], &[]), &[], Err("should not specify a principal"));
        check(&setting(&[&folder.path().join("none.json")], &[]), &[], Err("cannot be read"));
        let account = |id: &str| {
            let text = format!("id = \"{id}\"\nservice_control_policies = [{:?}]", service.display().to_string());
            toml::from_str::<AccountSetting>(&text).expect("an account")
        };
        check(&OrganizationSetting::default(), &[account("111111111111")], Ok(true));
        check(&OrganizationSetting::default(), &[account(first.as_str())], Err("do not bind its management account"));
        let read = read(&setting(&[&full], &[]), &[account("111111111111")], &first).expect("read").expect("some");
        assert_eq!(read.service_control.others.len(), 1);
        assert_eq!(read.accounts.len(), 2);
        assert_eq!(read.service_control.of_accounts[&AccountId::new("111111111111").expect("an id")].len(), 2);
    }
}
