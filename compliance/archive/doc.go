// Package archive is the signed archive: how one period of the record leaves
// the server as a BagIt bag, and how a stranger checks such a bag with nothing
// but the organisation's id.
//
// Invariants: the same records, chains and files give the same payload root on
// every machine, also after a crash; every byte under the bag's directory is
// covered by a signature or is itself one in its only accepted form, so that
// any changed byte is found; the verifier shares formats with the writer, but
// none of its code.
//
// It must not know private keys, the network or a database. Signatures come
// from an interface that the signer's process implements, and opening what is
// sealed is asked of an Opener.
package archive
