//! Keys, certificates, tokens, bundles and The Update Framework: authoring and verification.
