//! Which settings win, what wrong ones are told, and that what is shown is a configuration again.

use super::*;

fn load(file: &str, environment: &[(&str, &str)], flags: Flags) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tarn.toml");
    std::fs::write(&path, file).expect("written");
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
    Config::load(&Flags { config: Some(path), ..flags }, &environment)
}

#[test]
fn flags_win_over_environment_over_file() {
    let file = "data_dir = '/file'\nlisten = '127.0.0.1:1'\nregion = 'eu-west-1'\nzones = false\n";
    let flags = Flags { listen: Some("[::1]:3".to_owned()), ..Flags::default() };
    let config = load(file, &[("TARN_LISTEN", "127.0.0.1:2"), ("TARN_REGION", "us-west-2")], flags).expect("right");
    assert_eq!(config.data_dir.value, Path::new("/file"));
    assert_eq!((config.listen.value.port(), config.listen.origin), (3, Origin::Flag("--listen")));
    assert_eq!((config.region.value.as_str(), config.region.origin), ("us-west-2", Origin::Environment("TARN_REGION")));
    assert_eq!((config.account_id.value.as_str(), config.account_id.origin), ("000000000000", Origin::Default));
    assert!(!config.zones.value);
}

#[test]
fn wrong_settings_say_what_is_wrong() {
    let check = |file: &str, environment: &[(&str, &str)], needle: &str| {
        let error = load(file, environment, Flags::default()).expect_err(needle).to_string();
        assert!(error.contains(needle), "{needle}: {error}");
    };
    check("datadir = '/d'", &[], "did you mean `data_dir`?");
    check("frobnicate = 1", &[], "no setting `frobnicate`");
    check(
        "data_dir = '/d'\n[[accounts]]\nid = '000000000001'\nroot_acces_key_id = 'a'",
        &[],
        "did you mean `root_access_key_id`?",
    );
    check("data_dir = '/d'\n[[accounts]]\nid = '1'", &[], "twelve");
    check("data_dir = '/d'\n[[accounts]]\nid = '000000000001'\nusers = [{nam = 'a'}]", &[], "did you mean `name`?");
    check("data_dir = '/d'\n[[accounts]]\nname = 'a'", &[], "missing field `id`");
    check("data_dir = '/d'\n[[queues]]\nurls = 'a'", &[], "did you mean `url`?");
    let arn = "arn = 'arn:aws:sqs:us-east-1:000000000000:q'";
    check(&format!("data_dir = '/d'\n[[queues]]\n{arn}\nurl = 'ftp://x'"), &[], "must be a URL");
    check(&format!("data_dir = '/d'\n[[queues]]\n{arn}\nurl = 'http://u:p@x'"), &[], "without a user");
    check("data_dir = '/d'\n[[queues]]\narn = 'arn:aws:s3:::b'\nurl = 'http://x'", &[], "sqs, sns or lambda");
    check("data_dir = '/d'\n[[event_rules]]\nname = 'a'\ntarget = 'b'\npattern = '[]'", &[], "a pattern is an object");
    check("data_dir = '/d'\n[tls]\ncertificat = 'a'", &[], "did you mean `certificate`?");
    let root_key = |text: &str, words: &str| check(&format!("data_dir = '/d'\n[root_key]\n{text}"), &[], words);
    root_key("custodi = 'file'", "did you mean `custody`?");
    root_key("", "`custody` must be");
    root_key("custody = 'nobody'", "passphrase, aws-kms or vault-transit");
    root_key("custody = 'file'\nkey = 'k'", "has no use for");
    root_key("custody = 'passphrase'", "exactly one of");
    root_key("custody = 'passphrase'\npassphrase_file = 'a'\npassphrase_env = 'B'", "exactly one of");
    root_key("custody = 'passphrase'\npassphrase_credential = '../a'", "without a directory");
    root_key("custody = 'aws-kms'\nkey = 'k'", "needs `endpoint`");
    root_key("custody = 'aws-kms'\nendpoint = 'ftp://x'\nkey = 'k'", "in [root_key]");
    root_key("custody = 'vault-transit'\nendpoint = 'https://x'\nkey = 'k'", "exactly one of `token_file`");
    root_key("custody = 'vault-transit'\nendpoint = 'http://x'\nkey = 'k'", "it must be https");
    check("data_dir = '/d'\n[tls]\ncertificate = 'a'", &[], "missing field `private_key`");
    check("data_dir = '/d'\ntrusted_proxies = ['10.0.0.1']", &[], "[[trusted_proxies]]");
    check("data_dir = ", &[], "line 1");
    check("data_dir = []", &[], "must be a text");
    check("listen = '127.0.0.1:1'", &[], "--data-dir");
    check("data_dir = '/d'", &[("TARN_LISTEN", "9000")], "listen (environment TARN_LISTEN) is `9000`");
    check("data_dir = '/d'", &[("TARN_LISTENS", "9000")], "did you mean `TARN_LISTEN`?");
    check("data_dir = '/d'", &[("TARN_LOG", "loud=very")], "log (environment TARN_LOG)");
    check("data_dir = '/d'\nzones = 'maybe'", &[], "true or false");
    check("data_dir = '/d'\nregion = 'Mars 1'", &[], "region");
    check("data_dir = '/d'\nobject_ownership = 'Nobody'", &[], "BucketOwnerEnforced");
    check("data_dir = '/d'\n[debug]\nday_second = 2", &[], "did you mean `day_seconds`?");
    check("data_dir = '/d'\n[identity]\noidc_issuer_allowed = []", &[], "did you mean `oidc_issuers_allowed`?");
    check("data_dir = '/d'\n[identity]\noidc_issuers_allowed = ['x']", &[], "must be a URL");
    check("data_dir = '/d'\naccess_log_seconds = 0", &[], "from 1 to 86400");
    check("data_dir = '/d'\ndebug = 2", &[], "must be a table");
    check("data_dir = '/d'\n[debug]\nday_seconds = 0", &[], "from 1 to 86400");
    check("data_dir = '/d'", &[("TARN_DEBUG_DAY_SECONDS", "a day")], "environment TARN_DEBUG_DAY_SECONDS");
}

#[test]
fn what_is_shown_holds_no_secret_and_is_read_back() {
    let file = "data_dir = '/d'\ndomains = ['lake.example']\ntrusted_proxies = ['10.0.0.0/8']\n[tls]\ncertificate = 'c'\nprivate_key = 'k'\n[identity]\noidc_issuers_allowed = ['http://127.0.0.1:8080/realms/lake']\n[[queues]]\narn = 'arn:aws:sqs:us-east-1:000000000000:q'\nurl = 'https://x/y?z=1'\naccounts = ['111111111111']\n[[event_rules]]\nname = 'r'\npattern = '{\"source\":[\"aws.s3\"]}'\ntarget = 'arn:aws:sqs:us-east-1:000000000000:q'\n[[replication_targets]]\nbucket = 'arn:aws:s3:::b'\nendpoint = 'http://x:1'\naccess_key_id = 'AKIA3'\nsecret_access_key = 'planted-3'\n[[accounts]]\nid = '000000000001'\nname = 'a'\nroot_access_key_id = 'AKIA1'\nroot_secret_access_key = 'planted-1'\nusers = [{name = 'u', access_key_id = 'AKIA2', secret_access_key = 'planted-2'}]\n";
    let config = load(file, &[("TARN_BINARY", "/x")], Flags::default()).expect("right");
    let shown = config.show(true);
    assert!(!shown.contains("planted") && !format!("{config:?}").contains("planted"), "{shown}");
    assert!(shown.contains("listen = \"127.0.0.1:9000\"  # default"), "{shown}");
    let again = load(&config.show(false), &[], Flags::default()).expect("what is shown is a configuration");
    assert_eq!(again.tables.identity, config.tables.identity);
    assert!(!shown.contains("debug"), "{shown}");
}

#[test]
fn who_keeps_the_root_key_is_shown_without_secrets_and_read_back() {
    let check = |text: &str| {
        let file = format!("data_dir = '/d'\n[root_key]\n{text}");
        let config = load(&file, &[], Flags::default()).expect("right");
        let shown = config.show(false);
        assert!(!shown.contains("planted") && !format!("{config:?}").contains("planted"), "{shown}");
        let again = load(&shown, &[], Flags::default()).expect("what is shown is a configuration");
        assert_eq!(again.show(false), shown);
        shown
    };
    assert!(!check("custody = 'file'").contains("root_key"), "it is the default");
    assert!(check("custody = 'passphrase'\npassphrase_env = 'LAKE'").contains("passphrase_env = \"LAKE\""));
    check("custody = 'passphrase'\npassphrase_file = '/run/a b'");
    check("custody = 'passphrase'\npassphrase_credential = 'lake'");
    let kms = "custody = 'aws-kms'\nendpoint = 'https://kms.example/'\nkey = 'alias/a'\n";
    check(kms);
    check(&format!("{kms}region = 'eu-west-1'\naccess_key_id = 'AKIA'\nsecret_access_key = 'planted'"));
    let vault = "custody = 'vault-transit'\nendpoint = 'https://v.example:8200'\nkey = 'tarn'\n";
    check(&format!("{vault}token_file = '/run/token'"));
    check(&format!("{vault}mount = 'm'\nnamespace = 'n'\ntoken_env = 'VAULT_TOKEN'"));
}

#[test]
fn a_short_day_is_shown_with_where_it_comes_from() {
    let file = "data_dir = '/d'\n[debug]\nday_seconds = 20\n";
    let check = |environment: &[(&str, &str)], seconds: u32, origin: &str| {
        let config = load(file, environment, Flags::default()).expect("right");
        assert_eq!(config.debug_day_seconds.value, Some(seconds));
        let shown = config.show(true);
        assert!(shown.contains(&format!("debug.day_seconds = {seconds}  # {origin}")), "{shown}");
        let again = load(&config.show(false), &[], Flags::default()).expect("what is shown is a configuration");
        assert_eq!(again.debug_day_seconds.value, Some(seconds));
    };
    check(&[], 20, "file ");
    check(&[("TARN_DEBUG_DAY_SECONDS", "3")], 3, "environment TARN_DEBUG_DAY_SECONDS");
}
