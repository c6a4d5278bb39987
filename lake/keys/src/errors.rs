//! What can go wrong with keys, said so that the caller knows what to do. Never holds a key.

use tarn_metadata::StoreError;

/// Why a key cannot be had or bytes cannot be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeysError {
    /// The store holds what was sealed by a root key whose file is gone.
    #[error(
        "this lake is sealed by a root key, and its file {path} is missing: put the file back from your backup; without it nothing can be read"
    )]
    RootKeyMissing {
        /// Where it belongs.
        path: String,
    },
    /// The file holds another root key than the one the store was sealed by.
    #[error(
        "the root key in {path} is not the one that sealed this lake: put back the file that belongs to this data directory"
    )]
    RootKeyWrong {
        /// Where it is.
        path: String,
    },
    /// A rotation was cut short, and this configuration speaks of the root key that it took away.
    #[error(
        "the root key was rotated, and {path} is kept by `{by}`: start with the configuration that it was rotated to"
    )]
    RotationUnfinished {
        /// Where the new one is.
        path: String,
        /// Who keeps it.
        by: String,
    },
    /// There is no lake yet.
    #[error("this lake has no root key yet, which would be in {path}: start the server once")]
    NoRootKey {
        /// Where it would be.
        path: String,
    },
    /// The root key is kept by somebody else than the configuration says.
    #[error(
        "the root key in {path} has custody `{found}`, and the configuration says `{configured}`: set `custody` in [root_key], or run `tarn keys rotate-root` to change it"
    )]
    CustodyOther {
        /// Where it is.
        path: String,
        /// Who keeps it.
        found: String,
        /// Who should.
        configured: &'static str,
    },
    /// Not the passphrase that wraps the root key.
    #[error("the passphrase does not open the root key in {path}: give the one that it was wrapped by")]
    PassphraseWrong {
        /// Where it is.
        path: String,
    },
    /// Too short to be a passphrase.
    #[error("the passphrase has {chars} characters, and must have at least {chars_min}")]
    PassphraseShort {
        /// How many it has.
        chars: usize,
        /// How many it must have.
        chars_min: usize,
    },
    /// Who keeps the root key does not wrap or open it.
    #[error("{name} does not give the root key: {reason}; the lake cannot be opened without it")]
    Keeper {
        /// As the configuration calls it.
        name: &'static str,
        /// Its words.
        reason: String,
    },
    /// The file is not a root key.
    #[error("{path} does not hold a root key ({reason}): put the file back from your backup")]
    RootKeyMalformed {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Others than the owner may read the file.
    #[error("{path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`")]
    RootKeyExposed {
        /// Where it is.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file system failed.
    #[error("{doing} {path} failed: {reason}")]
    RootKeyFile {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The metadata store failed.
    #[error("{source}")]
    Store {
        /// Its own words.
        source: StoreError,
    },
    /// Sealed by a newer server.
    #[error("a sealed key has the unknown format {found}: start the server version that wrote it")]
    FormatUnknown {
        /// The format's number.
        found: u8,
    },
    /// Sealed by a root key that is not loaded.
    #[error("a key was sealed by the root key {id}, which this server does not have: put its file back")]
    RootKeyUnknown {
        /// The root key's id, hexadecimal.
        id: String,
    },
    /// The bytes are not what was sealed, or not in this place: damage or tampering.
    #[error("{what} failed authentication: the stored bytes are damaged, cut or moved; restore them from a backup")]
    NotAuthentic {
        /// What was being opened.
        what: &'static str,
    },
    /// No sealed bytes have this length.
    #[error("{size_bytes} is not the length of sealed bytes: the stored object is damaged or cut")]
    SealedLength {
        /// The length found.
        size_bytes: u64,
    },
    /// A range reaches past the end.
    #[error("the range {start}..{end} is not within the {size_bytes} bytes")]
    Range {
        /// First byte.
        start: u64,
        /// After the last byte.
        end: u64,
        /// How many bytes there are.
        size_bytes: u64,
    },
    /// A chunk is larger than the cipher takes.
    #[error("a chunk has {size_bytes} bytes, more than {size_bytes_max}")]
    ChunkTooLarge {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// The cryptography library refused to work.
    #[error("the cryptography library failed while {doing}; the server must be restarted")]
    Library {
        /// What was being done.
        doing: &'static str,
    },
}
