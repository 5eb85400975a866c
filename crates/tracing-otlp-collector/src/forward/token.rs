//! Session tokens: who may send through the proxy, and until when.
//!
//! JSON Web Tokens in their compact form, signed with HMAC-SHA-256 (RFC 7519, RFC 7515, `HS256`), and
//! nothing else of that family: the algorithm is fixed here, not read from the token. The signature
//! comes from `ring`, which TLS has brought along; the rest is a base64 and two JSON objects.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Deserialize;

use crate::Error;

/// The keys that session tokens are signed with.
///
/// The first signs; all of them are accepted. To change keys without turning sessions away, put the
/// new one in front, and take the old one out when the last token that it signed has expired.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tracing_otlp_collector::SessionKeys;
///
/// let keys = SessionKeys::parse("a-new-key-of-at-least-32-characters,an-old-key-of-at-least-32-characters")?;
/// let token = keys.sign("session-1", SystemTime::now() + Duration::from_secs(3600), None);
/// assert_eq!(token.split('.').count(), 3);
/// # Ok::<(), tracing_otlp_collector::Error>(())
/// ```
#[derive(Clone)]
pub struct SessionKeys {
    keys: Vec<hmac::Key>,
}

impl SessionKeys {
    /// One key of at least 32 bytes (RFC 7518, section 3.2).
    ///
    /// # Errors
    ///
    /// When it is shorter ([`Error::is_configuration`]).
    pub fn new(key: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self { keys: Vec::new() }.or_accept(key)
    }

    /// Accepts tokens that were signed with this key too.
    ///
    /// # Errors
    ///
    /// When it has less than 32 bytes ([`Error::is_configuration`]).
    pub fn or_accept(mut self, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        let key = key.as_ref();
        if key.len() < SHORTEST_KEY {
            return Err(Error::configuration(format!(
                "a key for session tokens needs at least {SHORTEST_KEY} bytes"
            )));
        }
        self.keys.push(hmac::Key::new(hmac::HMAC_SHA256, key));
        Ok(self)
    }

    /// Reads keys from a text in which commas or spaces separate them, the one that signs first.
    ///
    /// # Errors
    ///
    /// When there is none, or one is too short ([`Error::is_configuration`]); the message does not
    /// repeat them.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut keys = Self { keys: Vec::new() };
        let separate = |c: char| c == ',' || c.is_whitespace();
        for key in text.split(separate).filter(|key| !key.is_empty()) {
            keys = keys.or_accept(key)?;
        }
        if keys.keys.is_empty() {
            return Err(Error::configuration("there is no key for session tokens"));
        }
        Ok(keys)
    }

    /// Makes a token for a session that ends then.
    ///
    /// In an application this is the server's work, with whatever makes tokens there: claims `sub`
    /// (the session), `exp`, and `aud` where the proxy wants one.
    pub fn sign(&self, session: &str, expires: SystemTime, audience: Option<&str>) -> String {
        let expires = expires.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut claims = serde_json::json!({ "sub": session, "exp": expires.as_secs() });
        if let Some(audience) = audience {
            claims["aud"] = audience.into();
        }
        let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        // There is always one: no constructor gives none away.
        let signature = self
            .keys
            .first()
            .map(|key| hmac::sign(key, signed.as_bytes()));
        let signature = signature.map_or_else(String::new, |tag| URL_SAFE_NO_PAD.encode(tag));
        format!("{signed}.{signature}")
    }

    /// The session that a token is for, if it can be trusted now.
    pub(super) fn verify(
        &self,
        token: &str,
        now: SystemTime,
        audience: Option<&str>,
    ) -> Result<Session, Distrust> {
        let payload = self.payload(token).ok_or(Distrust::Invalid)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| Distrust::Invalid)?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (now, leeway) = (now.as_secs_f64(), LEEWAY.as_secs_f64());
        // JSON has no number that is none.
        let is_early = claims.nbf.is_some_and(|nbf| nbf - leeway > now);
        if claims.exp + leeway <= now {
            return Err(Distrust::Expired);
        }
        let is_for_us = match (audience, &claims.aud) {
            (None, None) => true,
            (Some(wanted), Some(Audience::One(one))) => one == wanted,
            (Some(wanted), Some(Audience::Many(many))) => many.iter().any(|one| one == wanted),
            // RFC 7519, section 4.1.3: a token for somebody else is to be rejected.
            _ => false,
        };
        let is_named = !claims.sub.is_empty() && claims.sub.len() <= LONGEST_NAME;
        if is_early || !is_for_us || !is_named {
            return Err(Distrust::Invalid);
        }
        Ok(Session(claims.sub))
    }

    /// What was signed with one of the keys.
    fn payload(&self, token: &str) -> Option<Vec<u8>> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        // An extension that must be understood is not (RFC 7515, section 4.1.11).
        if header.alg != "HS256" || header.crit.is_some() {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let fits = |key: &hmac::Key| hmac::verify(key, signed.as_bytes(), &signature).is_ok();
        // `verify` takes as long whatever is wrong.
        if !self.keys.iter().any(fits) {
            return None;
        }
        URL_SAFE_NO_PAD.decode(payload).ok()
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKeys({})", self.keys.len())
    }
}

/// The name of a session whose token is good.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Session(pub(super) String);

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Distrust {
    /// Anything but its age: who made it up need not know what.
    Invalid,
    Expired,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    aud: Option<Audience>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Clocks differ.
const LEEWAY: Duration = Duration::from_secs(30);
const SHORTEST_KEY: usize = 32;
const LONGEST_TOKEN: usize = 4096;
const LONGEST_NAME: usize = 256;

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
