//! The settings as a file would say them. Secrets are not shown.

use toml::Value;

use super::*;

impl Config {
    /// One line for each setting, as TOML; with `origin`, where each came from. Secrets are not shown.
    pub fn show(&self, origin: bool) -> String {
        let mut text = String::new();
        let mut line = |name: &Name, value: String, from: &Origin| {
            text.push_str(&format!("{} = {value}", name.key));
            if origin {
                text.push_str(&format!("  # {from}"));
            }
            text.push('\n');
        };
        let quoted = |text: &str| Value::String(text.to_owned()).to_string();
        line(&DATA_DIR, quoted(&self.data_dir.value.display().to_string()), &self.data_dir.origin);
        line(&LISTEN, quoted(&self.listen.value.to_string()), &self.listen.origin);
        line(&ACCOUNT_ID, quoted(self.account_id.value.as_str()), &self.account_id.origin);
        line(&REGION, quoted(self.region.value.as_str()), &self.region.origin);
        line(&ZONES, self.zones.value.to_string(), &self.zones.origin);
        line(&LOG, quoted(&self.log.value), &self.log.origin);
        line(&OBJECT_OWNERSHIP, quoted(self.object_ownership.value.name()), &self.object_ownership.origin);
        line(&BLOCK_PUBLIC_ACCESS, self.block_public_access.value.to_string(), &self.block_public_access.origin);
        let failures = &self.signature_failures_max;
        line(&SIGNATURE_FAILURES_MAX, failures.value.to_string(), &failures.origin);
        line(&ACCESS_LOG_SECONDS, self.access_log_seconds.value.to_string(), &self.access_log_seconds.origin);
        let source_region = &self.access_log_source_region;
        line(&ACCESS_LOG_SOURCE_REGION, source_region.value.to_string(), &source_region.origin);
        line(&TRAIL_SECONDS, self.trail_seconds.value.to_string(), &self.trail_seconds.origin);
        if let Some(seconds) = self.debug_day_seconds.value {
            line(&DEBUG_DAY_SECONDS, seconds.to_string(), &self.debug_day_seconds.origin);
        }
        if let Some(seconds) = self.debug_digest_seconds.value {
            line(&DEBUG_DIGEST_SECONDS, seconds.to_string(), &self.debug_digest_seconds.origin);
        }
        let Tables {
            accounts,
            volumes,
            storage_classes,
            queues,
            event_rules,
            replication_targets,
            tls,
            root_key,
            domains,
            trusted_proxies,
            identity,
            organization,
        } = &self.tables;
        let list = |texts: &[String]| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
        if !domains.is_empty() {
            text.push_str(&format!("{DOMAINS} = [{}]\n", list(domains)));
        }
        if !trusted_proxies.is_empty() {
            let networks: Vec<String> = trusted_proxies.iter().map(ToString::to_string).collect();
            text.push_str(&format!("{TRUSTED_PROXIES} = [{}]\n", list(&networks)));
        }
        if let Some(TlsSetting { certificate, private_key }) = tls {
            let (certificate, key) = (certificate.display().to_string(), private_key.display().to_string());
            text.push_str(&format!(
                "\n[tls]\ncertificate = {}\nprivate_key = {}\n",
                quoted(&certificate),
                quoted(&key)
            ));
        }
        if let Some(shown) = root_key.show() {
            text.push_str(&shown);
        }
        if !identity.oidc_issuers_allowed.is_empty() {
            text.push_str(&format!(
                "\n[identity]\noidc_issuers_allowed = [{}]\n",
                list(&identity.oidc_issuers_allowed)
            ));
        }
        let shown = organization.show(quoted);
        if !shown.is_empty() {
            text.push_str(&format!("\n[organization]\n{shown}"));
        }
        for target in replication_targets {
            let accounts: Vec<String> = target.accounts.iter().map(|account| quoted(account.as_str())).collect();
            text.push_str(&format!(
                "\n[[replication_targets]]\nbucket = {}\nendpoint = {}\nregion = {}\nremote_bucket = {}\naccess_key_id = {}\nsecret_access_key = \"***\"\naccounts = [{}]\n",
                quoted(&target.bucket),
                quoted(&target.endpoint),
                quoted(&target.region),
                quoted(&target.remote_bucket),
                quoted(&target.access_key_id),
                accounts.join(", "),
            ));
        }
        for queue in queues {
            let url = quoted(&queue.url.to_string());
            text.push_str(&format!("\n[[queues]]\narn = {}\nurl = {url}\n", quoted(&queue.arn)));
            if !queue.accounts.is_empty() {
                let accounts: Vec<String> = queue.accounts.iter().map(|account| quoted(account.as_str())).collect();
                text.push_str(&format!("accounts = [{}]\n", accounts.join(", ")));
            }
        }
        for rule in event_rules {
            let (name, pattern, target) = (quoted(&rule.name), quoted(rule.pattern.text()), quoted(&rule.target));
            text.push_str(&format!("\n[[event_rules]]\nname = {name}\npattern = {pattern}\ntarget = {target}\n"));
        }
        for account in accounts {
            text.push_str(&format!("\n[[accounts]]\nid = {}\n", quoted(account.id.as_str())));
            for (key, value) in [("name", &account.name), ("email", &account.email)] {
                if let Some(value) = value {
                    text.push_str(&format!("{key} = {}\n", quoted(value)));
                }
            }
            if let Some(id) = &account.root_access_key_id {
                text.push_str(&format!("root_access_key_id = {}\nroot_secret_access_key = \"***\"\n", quoted(id)));
            }
            text.push_str(&account.organization.show(quoted));
            for user in &account.users {
                let (name, id) = (quoted(&user.name), quoted(&user.access_key_id));
                text.push_str(&format!("# user {name}, access key {id}\n"));
            }
        }
        for (name, volume) in volumes {
            text.push_str(&format!("\n[volumes.{name}]\n"));
            match volume {
                VolumeSetting::Directory { directory } => {
                    text.push_str(&format!("directory = {}\n", quoted(&directory.display().to_string())));
                }
                VolumeSetting::Remote { url, options } => {
                    text.push_str(&format!("url = {}\n", quoted(url)));
                    let options: Vec<_> = options.keys().map(|key| format!("{key} = \"***\"")).collect();
                    text.push_str(&format!("options = {{ {} }}\n", options.join(", ")));
                }
            }
        }
        if !storage_classes.is_empty() {
            text.push_str("\n[storage_classes]\n");
            for (class, volume) in storage_classes {
                text.push_str(&format!("{} = {}\n", class.name(), quoted(volume)));
            }
        }
        text
    }
}
