mod secrets;

use std::{fs, io::Write};

use secrecy::ExposeSecret;

use super::*;

fn complete() -> Vec<(String, String)> {
    [
        ("HEYI_HTTP__PUBLIC_URL", "https://heyi.example.com"),
        ("HEYI_PAYJS__MCHID", "1600000001"),
        ("HEYI_PAYJS__KEY", "EXAMPLEKEY123456"),
        ("HEYI_PAYJS__NOTIFY_URL", "https://heyi.example.com/notify"),
        ("HEYI_WECHAT__APPID", "wx0000000000000000"),
        ("HEYI_WECHAT__SECRET", "EXAMPLE"),
        ("HEYI_SIGN__APP_KEY", "EXAMPLE"),
        (
            "HEYI_SIGN__SESSION_SECRET",
            "EXAMPLEEXAMPLEEXAMPLEEXAMPLE1234",
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn load(extra: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let mut environment = complete();
    environment.retain(|(name, _)| extra.iter().all(|(other, _)| other != name));
    environment.extend(
        extra
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    Config::from_sources(Process::Api, None, environment)
}

#[test]
fn the_defaults_lack_only_what_is_required() {
    let ConfigErrors(found) = Config::from_sources(Process::Api, None, []).unwrap_err();
    let keys: Vec<&str> = found
        .iter()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(
        keys,
        [
            "payjs.mchid",
            "payjs.key",
            "http.public_url",
            "payjs.notify_url",
            "wechat.appid",
            "wechat.secret",
            "sign.app_key",
            "sign.session_secret",
        ]
    );
    let ConfigErrors(found) = Config::from_sources(Process::Worker, None, []).unwrap_err();
    assert_eq!(found.len(), 2, "{found:?}");
    Config::from_sources(Process::Operator, None, []).unwrap();
}

#[test]
fn the_environment_wins_and_types_are_kept() {
    let config = load(&[
        ("HEYI_HTTP__LISTEN", "127.0.0.1:1234"),
        ("HEYI_ORDERS__PRICES", "[990, 1990]"),
        ("HEYI_ORDERS__REQUIRE_SIGN", "false"),
        ("HEYI_ORDERS__TTL", "90s"),
        ("HEYI_HTTP__TRUSTED_PROXIES", "['10.0.0.0/8']"),
        ("HEYI_ORDERS__PAYLOADS__JD", "[]"),
    ])
    .unwrap();
    assert_eq!(config.http.listen.port(), 1234);
    assert_eq!(config.orders.prices, [990, 1990]);
    assert_eq!(config.orders.ttl.as_secs(), 90);
    assert!(!config.orders.require_sign);
    assert_eq!(config.warnings().len(), 1);
}

#[test]
fn every_mistake_is_listed_with_its_key() {
    let ConfigErrors(found) = load(&[
        ("HEYI_HTTP__LISTEN", "nowhere"),
        ("HEYI_HTTP__RATE_LIMIT", "many"),
        ("HEYI_HTTP__RATELIMIT", "1"),
        ("HEYI_PAYJS__BODY", "a=b"),
        ("HEYI_PAYJS__NOTIFY_URL", "https://example.com/notify?a=1"),
        ("HEYI_ORDERS__TTL", "soon"),
        ("HEYI_ORDERS__PRICES", "[0]"),
        ("HEYI_ORDERS__PAYLOADS__QQ", "['(']"),
        ("HEYI_REDIS__URL", "http://localhost"),
        ("HEYI_SIGN__SESSION_SECRET", "short"),
        ("HEYI_WECHAT__SECRET_FILE", "/does/not/exist"),
    ])
    .unwrap_err();
    let text = found.join("\n");
    for key in [
        "HEYI_HTTP__RATELIMIT",
        "HEYI_HTTP__RATE_LIMIT",
        "HEYI_WECHAT__SECRET_FILE",
        "http.listen",
        "orders.ttl",
        "orders.payloads",
        "payjs.body",
        "payjs.notify_url",
        "orders.prices",
        "redis.url",
        "sign.session_secret",
    ] {
        assert!(
            found.iter().any(|line| line.starts_with(key)),
            "{key} is not in\n{text}"
        );
    }
    assert_eq!(found.len(), 11, "{text}");
}

#[test]
fn a_cluster_needs_partitions() {
    let url = ("HEYI_REDIS__URL", "redis+cluster://:hush@a:1,b:2");
    let ConfigErrors(found) = load(&[url]).unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("queue.partitions: "), "{found:?}");
    assert!(!found[0].contains("hush"), "{found:?}");
    load(&[url, ("HEYI_QUEUE__PARTITIONS", "16")]).unwrap();
    load(&[("HEYI_REDIS__URL", "redis+sentinel://a:1,b:2/heyi")]).unwrap();
}

#[test]
fn a_file_is_laid_over_the_defaults_and_a_secret_read_from_its_own() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "[redis]\nprefix = 'x:'\nurll = ''\n[nonsense]\na = 1\n"
    )
    .unwrap();
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    writeln!(secret, "FROMAFILE").unwrap();
    let path = secret.path().to_str().unwrap().to_owned();

    let mut environment = complete();
    environment.retain(|(name, _)| name != "HEYI_PAYJS__KEY");
    environment.push(("HEYI_PAYJS__KEY_FILE".to_owned(), path));
    let config = Config::from_sources(Process::Api, None, environment.clone()).unwrap();
    assert_eq!(config.payjs.key.expose_secret(), "FROMAFILE");

    let ConfigErrors(found) =
        Config::from_sources(Process::Api, file.path().to_str(), environment).unwrap_err();
    assert_eq!(
        found,
        [
            "nonsense: there is no such setting",
            "redis.urll: there is no such setting"
        ]
    );
}

#[test]
fn credentials_of_systemd_are_settings_by_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &str| fs::write(dir.path().join(name), value).unwrap();
    write("payjs.key", "FROMSYSTEMD\n");
    write("redis.url", "redis://:EXAMPLE@a:1/2");
    write("mongo.url", "mongodb://u:EXAMPLE@a:1/");
    write("sign.previous_session_secret", "EXAMPLE");
    write("wechat.secret", "FROMSYSTEMD");
    // Of others.
    for name in ["tls.key", "payjs-key", "README", "Other.Thing"] {
        write(name, "x");
    }
    let (credentials, mistakes) = credentials::read(Some(dir.path()));
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let mut environment = complete();
    environment.retain(|(name, _)| name != "HEYI_PAYJS__KEY");
    let config = Config::merge(Process::Api, None, credentials, environment.clone()).unwrap();
    assert_eq!(config.payjs.key.expose_secret(), "FROMSYSTEMD");
    assert_eq!(config.redis.url.expose_secret(), "redis://:EXAMPLE@a:1/2");
    assert_eq!(
        config.sign.previous_session_secret.expose_secret(),
        "EXAMPLE"
    );
    assert_eq!(
        config.wechat.secret.expose_secret(),
        "EXAMPLE",
        "the environment wins"
    );

    write("payjs.keys", "EXAMPLE");
    let (credentials, _) = credentials::read(Some(dir.path()));
    let ConfigErrors(found) =
        Config::merge(Process::Api, None, credentials, environment).unwrap_err();
    assert_eq!(
        found,
        ["the credential payjs.keys: there is no such setting"]
    );
}

#[test]
fn the_units_hand_over_credentials_that_are_settings() {
    let defaults: toml::Table = DEFAULTS.parse().unwrap();
    for unit in [
        include_str!("../../../deploy/heyi-api.service"),
        include_str!("../../../deploy/heyi-worker@.service"),
    ] {
        // systemd 249, of Ubuntu 22.04, does not know %d.
        assert!(!unit.contains("%d"), "{unit}");
        let credentials = unit
            .lines()
            .filter_map(|line| line.trim_start_matches('#').strip_prefix("LoadCredential="));
        let mut count = 0;
        for credential in credentials {
            let (name, file) = credential.split_once(':').unwrap();
            let (section, key) = name.split_once('.').unwrap();
            assert!(defaults[section].get(key).is_some(), "{name}");
            assert_eq!(file, format!("/etc/heyi/secrets/{name}"));
            count += 1;
        }
        assert!(count > 0, "{unit}");
    }
}

#[test]
fn an_authority_needs_tls_and_a_file_with_certificates() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for (settings, key) in [
        (
            vec![("HEYI_REDIS__CA_FILE", path)],
            "redis.ca_file: only rediss",
        ),
        (
            vec![
                ("HEYI_REDIS__CA_FILE", path),
                ("HEYI_REDIS__URL", "rediss://a:1/0"),
            ],
            "redis.ca_file: cannot be used",
        ),
        (vec![("HEYI_MONGO__CA_FILE", path)], "mongo.ca_file: is for"),
        (
            vec![
                ("HEYI_MONGO__CA_FILE", "/does/not/exist"),
                ("HEYI_MONGO__URL", "mongodb://a/?tls=true"),
            ],
            "mongo.ca_file: cannot be used",
        ),
        (
            vec![("HEYI_REDIS__SENTINEL_USER", "u")],
            "redis.sentinel_password: there are",
        ),
    ] {
        let ConfigErrors(found) = load(&settings).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(key), "{found:?}");
    }
}

#[test]
fn secrets_do_not_show_when_the_configuration_is_printed() {
    let shown = format!("{:?}", load(&[]).unwrap());
    assert!(!shown.contains("EXAMPLE"), "{shown}");
}

#[test]
fn blanks_around_a_text_are_dropped_wherever_it_comes_from() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "[payjs]\nmchid = ' 1600000001\u{3000}'\n").unwrap();
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    write!(secret, "\n\t EXAMPLESECRET \r\n\n").unwrap();
    let mut environment = complete();
    environment.retain(|(name, _)| !name.starts_with("HEYI_PAYJS__"));
    let more = [
        ("HEYI_PAYJS__KEY", " EXAMPLEKEY123456\n"),
        (
            "HEYI_PAYJS__NOTIFY_URL",
            " https://heyi.example.com/notify ",
        ),
        ("HEYI_WECHAT__SECRET_FILE", secret.path().to_str().unwrap()),
    ];
    environment.retain(|(name, _)| name != "HEYI_WECHAT__SECRET");
    environment.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let config = Config::from_sources(Process::Api, file.path().to_str(), environment).unwrap();
    assert_eq!(config.payjs.mchid, "1600000001");
    assert_eq!(config.payjs.key.expose_secret(), "EXAMPLEKEY123456");
    assert_eq!(config.wechat.secret.expose_secret(), "EXAMPLESECRET");
    let url = config.payjs.notify_url.unwrap();
    assert_eq!(url.as_str(), "https://heyi.example.com/notify");
}

#[test]
fn keys_with_characters_that_come_with_copying_are_refused_without_being_quoted() {
    for (name, setting) in [
        ("HEYI_PAYJS__MCHID", "payjs.mchid"),
        ("HEYI_PAYJS__KEY", "payjs.key"),
        ("HEYI_WECHAT__APPID", "wechat.appid"),
        ("HEYI_WECHAT__SECRET", "wechat.secret"),
    ] {
        for wrong in [
            "'hush1234'",
            "\"hush1234\"",
            "hush 1234",
            "hush1234\u{200b}",
            "\u{feff}hush1234",
            "ｈush1234",
        ] {
            let ConfigErrors(found) = load(&[(name, wrong)]).unwrap_err();
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(setting), "{found:?}");
            assert!(!found[0].contains("1234"), "{found:?}");
        }
    }
}

#[test]
fn a_notify_url_that_the_api_would_answer_404_is_refused() {
    for (url, is_right) in [
        ("https://heyi.example.com/notify", true),
        ("https://example.com/heyi/notify", true),
        ("https://heyi.example.com/notify/", false),
        ("https://heyi.example.com//notify", false),
        ("https://heyi.example.com/Notify", false),
        ("https://heyi.example.com/nofity", false),
        ("https://heyi.example.com/notify.", false),
        ("https://heyi.example.com", false),
    ] {
        let loaded = load(&[("HEYI_PAYJS__NOTIFY_URL", url)]);
        assert_eq!(loaded.is_ok(), is_right, "{url}");
        if let Err(ConfigErrors(found)) = loaded {
            assert!(found[0].starts_with("payjs.notify_url: "), "{found:?}");
        }
    }
}

#[test]
fn a_base_address_is_taken_with_and_without_its_final_slash() {
    for (given, base) in [
        ("https://payjs.example.com", "https://payjs.example.com/"),
        ("https://example.com/api", "https://example.com/api/"),
        ("https://example.com/api/", "https://example.com/api/"),
    ] {
        let config = load(&[
            ("HEYI_PAYJS__API_BASE", given),
            ("HEYI_WECHAT__API_BASE", given),
        ]);
        let config = config.unwrap();
        assert_eq!(config.payjs.api_base.as_str(), base);
        assert_eq!(config.wechat.api_base.as_str(), base);
    }
}

#[test]
fn no_mistake_quotes_a_text() {
    const ADDRESS: &str = "https://u:Hush@example.com/";
    const BAD_PORT: &str = "https://u:Hush@example.com:99999/";
    for name in [
        "HTTP__PUBLIC_URL",
        "PAYJS__NOTIFY_URL",
        "PAYJS__API_BASE",
        "WECHAT__API_BASE",
        "REDIS__URL",
        "MONGO__URL",
        "HTTP__LISTEN",
        "HTTP__MONITOR",
        "WORKER__LISTEN",
        "ORDERS__TTL",
        "LOG__FORMAT",
    ] {
        for wrong in [ADDRESS, BAD_PORT, "Hush", "ht!tp://Hush", "https://Hush:a"] {
            let ConfigErrors(found) = load(&[(&format!("HEYI_{name}"), wrong)]).unwrap_err();
            let found = found.join("\n");
            assert!(!found.contains("Hush"), "{name}={wrong}: {found}");
        }
    }
    let wrong = format!("['{BAD_PORT}']");
    let ConfigErrors(found) = load(&[("HEYI_HTTP__TRUSTED_PROXIES", &*wrong)]).unwrap_err();
    assert!(!found[0].contains("Hush"), "{found:?}");
}
