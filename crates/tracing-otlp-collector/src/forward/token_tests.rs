use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn keys() -> SessionKeys {
    SessionKeys::new(KEY).unwrap()
}

/// A token with these two parts, signed with this key.
fn token(header: &str, claims: &str, key: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const CLAIMS: &str = r#"{"sub":"s","exp":1000}"#;

fn distrust(token: &str) -> Distrust {
    keys().verify(token, at(500), None).unwrap_err()
}

#[test]
fn the_example_of_the_specification_is_read() {
    // RFC 7515, appendix A.1.
    let key =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQog\
                 Imh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let keys = SessionKeys::new(URL_SAFE_NO_PAD.decode(key).unwrap()).unwrap();
    let payload = keys.payload(token).unwrap();
    assert!(payload.starts_with(b"{\"iss\":\"joe\""));
    // It names no session.
    assert_eq!(keys.verify(token, at(0), None), Err(Distrust::Invalid));
}

#[test]
fn what_we_sign_we_accept_until_it_expires() {
    let token = keys().sign("s", at(1000), None);
    for (now, is_good) in [
        (0, true),
        (999, true),
        (1029, true),
        (1030, false),
        (9999, false),
    ] {
        let verified = keys().verify(&token, at(now), None);
        let expected = if is_good {
            Ok(Session("s".to_owned()))
        } else {
            Err(Distrust::Expired)
        };
        assert_eq!(verified, expected, "{now}");
    }
}

#[test]
fn keys_are_changed_without_turning_anybody_away() {
    let (old, new) = (
        keys().sign("s", at(1000), None),
        SessionKeys::new(OTHER).unwrap(),
    );
    assert!(new.verify(&old, at(0), None).is_err());
    let both = SessionKeys::parse(&format!(" {OTHER},\n{KEY} ")).unwrap();
    assert!(both.verify(&old, at(0), None).is_ok());
    let fresh = both.sign("s", at(1000), None);
    assert!(new.verify(&fresh, at(0), None).is_ok());
    assert!(keys().verify(&fresh, at(0), None).is_err());
}

#[test]
fn nobody_else_makes_a_token() {
    assert!(
        keys()
            .verify(&token(HEADER, CLAIMS, KEY), at(500), None)
            .is_ok()
    );
    let good = token(HEADER, CLAIMS, KEY);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let claims = URL_SAFE_NO_PAD.encode(CLAIMS);
    let forged = [
        token(HEADER, CLAIMS, OTHER),
        token(r#"{"alg":"none"}"#, CLAIMS, KEY),
        token(r#"{"alg":"HS512"}"#, CLAIMS, KEY),
        token(r#"{"alg":"hs256"}"#, CLAIMS, KEY),
        token(r#"{"alg":"RS256"}"#, CLAIMS, KEY),
        token(r#"{"typ":"JWT"}"#, CLAIMS, KEY),
        token(r#"{"alg":"none","alg":"HS256"}"#, CLAIMS, KEY),
        token(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, CLAIMS, KEY),
        format!("{none}.{claims}."),
        format!("{none}.{claims}"),
        format!("{signed}."),
        format!("{signed}.{}", &signature[1..]),
        format!("{good}="),
        format!("{good}.{signature}"),
        format!("{}.{signature}", signed.replacen('e', "f", 1)),
        String::new(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "é".repeat(9),
        format!("{signed}{}", "a".repeat(5000)),
    ];
    for token in forged {
        assert_eq!(distrust(&token), Distrust::Invalid, "{token}");
    }
}

#[test]
fn claims_of_the_wrong_kind_are_no_claims() {
    for claims in [
        r#"{"sub":"s"}"#,
        r#"{"exp":1000}"#,
        r#"{"sub":"","exp":1000}"#,
        r#"{"sub":7,"exp":1000}"#,
        r#"{"sub":"s","exp":"1000"}"#,
        r#"{"sub":"s","exp":null}"#,
        r#"{"sub":"s","exp":1000,"nbf":"0"}"#,
        r#"{"sub":"s","exp":1000,"nbf":531}"#,
        r#"{"sub":"s","exp":1000,"exp":9999}"#,
        r#"{"sub":"s","exp":1000,"aud":"somebody else"}"#,
        "[]",
        "",
    ] {
        assert_eq!(
            distrust(&token(HEADER, claims, KEY)),
            Distrust::Invalid,
            "{claims}"
        );
    }
    let long = format!(r#"{{"sub":"{}","exp":1000}}"#, "s".repeat(257));
    assert_eq!(distrust(&token(HEADER, &long, KEY)), Distrust::Invalid);
    for claims in [
        r#"{"sub":"s","exp":1000.5,"nbf":530}"#,
        r#"{"sub":"s","exp":1e300}"#,
    ] {
        assert!(
            keys()
                .verify(&token(HEADER, claims, KEY), at(500), None)
                .is_ok(),
            "{claims}"
        );
    }
}

#[test]
fn a_token_is_for_the_audience_that_it_names() {
    let keys = keys();
    for (claim, wanted, is_good) in [
        (r#","aud":"telemetry""#, Some("telemetry"), true),
        (r#","aud":["api","telemetry"]"#, Some("telemetry"), true),
        (r#","aud":"api""#, Some("telemetry"), false),
        ("", Some("telemetry"), false),
        (r#","aud":"telemetry""#, None, false),
        ("", None, true),
    ] {
        let claims = format!(r#"{{"sub":"s","exp":1000{claim}}}"#);
        let verified = keys.verify(&token(HEADER, &claims, KEY), at(500), wanted);
        assert_eq!(verified.is_ok(), is_good, "{claim} {wanted:?}");
    }
    let ours = keys.sign("s", at(1000), Some("telemetry"));
    assert!(keys.verify(&ours, at(500), Some("telemetry")).is_ok());
}

#[test]
fn short_keys_are_refused_and_none_is_printed() {
    let error = SessionKeys::parse("too-short-a-key").unwrap_err();
    assert!(error.is_configuration() && !format!("{error} {error:?}").contains("too-short"));
    assert!(SessionKeys::parse(" , ").is_err());
    assert_eq!(format!("{:?}", keys()), "SessionKeys(1)");
}
