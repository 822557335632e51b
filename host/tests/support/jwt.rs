//! Tokens of every kind, made by hand: the library that verifies them would refuse to make most of these.

use std::{fs, time::SystemTime};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256, RsaEncoding,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use uuid::Uuid;

use super::hub::Hub;

/// Seconds since 1970, with an offset.
pub fn now(offset: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    i64::try_from(now).expect("small") + offset
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with this header and these claims, signed by `sign`.
pub fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    raw(&header.to_string(), &claims.to_string(), sign)
}

/// A token of these texts, whatever they are.
pub fn raw(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    format!("{signed}.{}", encoded(sign(signed.as_bytes())))
}

/// A signature on the curve that ES384 means.
pub fn p384(message: &[u8]) -> Vec<u8> {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new()).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, made.as_ref()).expect("a key");
    pair.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
}

/// A signature of an Ed25519 key that nobody knows.
pub fn ed25519(message: &[u8]) -> Vec<u8> {
    Ed25519KeyPair::generate().expect("a key").sign(message).as_ref().to_vec()
}

/// An ES256 key pair.
pub struct Es256(EcdsaKeyPair);

impl Es256 {
    pub fn new() -> Self {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Self::of(made.expect("a key").as_ref())
    }

    /// The one that a hub signs with.
    pub fn of_hub(hub: &Hub) -> Self {
        Self::of(&fs::read(hub.data().join("identity.key")).expect("the hub's key"))
    }

    fn of(pkcs8: &[u8]) -> Self {
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).expect("a key"))
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    }

    /// The same signature in the form that JWTs do not have.
    pub fn sign_asn1(&self, message: &[u8]) -> Vec<u8> {
        let der = self.0.to_pkcs8v1().expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.as_ref()).expect("a key");
        pair.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    }

    /// The public key as SEC1 writes it: 4, x, y.
    pub fn point(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    /// The public key in SubjectPublicKeyInfo.
    pub fn der(&self) -> Vec<u8> {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        AsDer::<PublicKeyX509Der<'_>>::as_der(self.0.public_key()).expect("DER").as_ref().to_vec()
    }

    pub fn jwk(&self, kid: &str) -> Value {
        let point = self.point();
        let (x, y) = point[1..].split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": encoded(x), "y": encoded(y) })
    }

    /// A token signed with this key.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        token(header, claims, |message| self.sign(message))
    }
}

/// An RS256 key pair.
pub struct Rs256(rsa::KeyPair);

impl Rs256 {
    pub fn new() -> Self {
        Self(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("a key"))
    }

    pub fn jwk(&self, kid: &str) -> Value {
        let key = self.0.public_key();
        let modulus = key.modulus().big_endian_without_leading_zero().to_vec();
        let exponent = key.exponent().big_endian_without_leading_zero().to_vec();
        json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": encoded(modulus), "e": encoded(exponent) })
    }

    /// The public key in SubjectPublicKeyInfo.
    pub fn der(&self) -> Vec<u8> {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        AsDer::<PublicKeyX509Der<'_>>::as_der(self.0.public_key()).expect("DER").as_ref().to_vec()
    }

    /// A token signed with this key as RS256 does, whatever its header says.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        token(header, claims, |message| self.sign(&RSA_PKCS1_SHA256, message))
    }

    pub fn rs384(&self, message: &[u8]) -> Vec<u8> {
        self.sign(&RSA_PKCS1_SHA384, message)
    }

    pub fn ps256(&self, message: &[u8]) -> Vec<u8> {
        self.sign(&RSA_PSS_SHA256, message)
    }

    fn sign(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(encoding, &SystemRandom::new(), message, &mut signature).expect("a signature");
        signature
    }
}

/// Claims that a hub with its own keys accepts.
pub fn claims(role: &str) -> Value {
    json!({
        "iss": "urn:bulkhead:local",
        "aud": "urn:bulkhead:hub",
        "sub": Uuid::new_v4(),
        "iat": now(0),
        "exp": now(3600),
        "app_metadata": { "ops_role": role },
    })
}

/// The claims with one of them replaced, or removed by `null`.
pub fn with(mut claims: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
        value => claims[name] = value,
    }
    claims
}
