//! From a template and the secrets it refers to, to the text that a container gets. Pure but for salts.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::Sha256;

use crate::catalog::{Form, Part, Template};

/// The rounds of a bcrypt hash, as a power of two. Few: what is hashed is random and long, and cannot be guessed.
const BCRYPT_COST: u32 = 10;
/// Bytes of the salt of an `rpcauth`: as bitcoin's own script.
const RPCAUTH_SALT: usize = 16;

/// A text cannot be rendered. Without any part of it.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A reference is bad; validation finds that, unless the record is older than the rule.
    #[error("its template is bad: {what}")]
    BadTemplate {
        /// What is wrong with it.
        what: String,
    },
    /// It refers to a secret whose content is not at hand.
    #[error("the secret `{secret}` is not at hand")]
    NotGiven {
        /// The secret's name.
        secret: String,
    },
    /// The system has no random bytes for a salt.
    #[error("no random bytes for a salt")]
    Random(#[from] rand::rngs::SysError),
    /// bcrypt refused the secret.
    #[error("cannot hash the secret `{secret}` with bcrypt; it takes at most 72 bytes and no NUL")]
    Bcrypt {
        /// The secret's name.
        secret: String,
    },
}

/// The text, with the content of each secret in place of its references.
pub(super) fn render(
    template: &Template<'_>,
    secrets: &BTreeMap<String, String>,
) -> Result<String, RenderError> {
    let mut text = String::new();
    for part in &template.0 {
        let (form, name) = match part {
            Part::Text(plain) => {
                text.push_str(plain);
                continue;
            }
            Part::Secret(form, name) => (form, *name),
        };
        let secret = secrets.get(name).ok_or_else(|| RenderError::NotGiven {
            secret: name.to_owned(),
        })?;
        match form {
            Form::Plain => text.push_str(secret),
            Form::RpcAuth => text.push_str(&rpcauth(secret)?),
            Form::Bcrypt => {
                let hash = bcrypt::non_truncating_hash(secret, BCRYPT_COST);
                text.push_str(&hash.map_err(|_| RenderError::Bcrypt {
                    secret: name.to_owned(),
                })?);
            }
        }
    }
    Ok(text)
}

fn rpcauth(password: &str) -> Result<String, RenderError> {
    let mut salt = [0; RPCAUTH_SALT];
    SysRng.try_fill_bytes(&mut salt)?;
    Ok(rpcauth_with(&hex(&salt), password))
}

/// `SALT$HASH`: bitcoin's `share/rpcauth/rpcauth.py` takes the salt's hex digits, not its bytes, as the key.
fn rpcauth_with(salt: &str, password: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(salt.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(password.as_bytes());
    format!("{salt}${}", hex(&mac.finalize().into_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        let template = Template::parse(text).expect("a template");
        let names = template.secrets();
        let secrets = names.map(|name| (name.to_owned(), format!("<{name}>")));
        render(&template, &secrets.collect()).expect("rendered")
    }

    #[test]
    fn references_become_what_they_refer_to() {
        assert_eq!(
            rendered("http://me:${secret:a}@host:1/$x ${secret:b}"),
            "http://me:<a>@host:1/$x <b>"
        );
    }

    /// The values are those of Python's `hmac.new(salt, password, "SHA256")`, which rpcauth.py calls.
    #[test]
    fn rpcauth_is_as_bitcoins_own_script_makes_it() {
        assert_eq!(
            rpcauth_with("52e3d3d8a1c9e4f0b7a6958473625140", "correcthorse"),
            "52e3d3d8a1c9e4f0b7a6958473625140$3cd452d0d903ba266901664e5f5ac4417ff3b78cab14bc5d575da35768d7186e"
        );
        let (one, two) = (rendered("${rpcauth:a}"), rendered("${rpcauth:a}"));
        let (salt, _) = one.split_once('$').expect("salt and hash");
        assert_eq!(rpcauth_with(salt, "<a>"), one);
        assert_ne!(one, two, "the salt is new each time");
    }

    #[test]
    fn a_bcrypt_hash_verifies_and_is_not_the_secret() {
        let hash = rendered("${bcrypt:a}");
        assert!(!hash.contains("<a>"));
        assert_eq!(bcrypt::verify("<a>", &hash).ok(), Some(true));
        assert_eq!(bcrypt::verify("<b>", &hash).ok(), Some(false));
    }

    #[test]
    fn an_error_tells_the_name_and_not_the_secret() {
        let template = Template::parse("${bcrypt:pw}").expect("a template");
        let secrets = BTreeMap::from([("pw".to_owned(), "x".repeat(73))]);
        let error = render(&template, &secrets).expect_err("too long");
        let text = format!("{error} {error:?}");
        assert!(text.contains("pw") && !text.contains("xxx"), "{text}");
    }
}
