// Package postgres runs the PostgreSQL cluster that a server without a database URL keeps for itself.
//
// It owns one state directory: the lock that keeps a second server out, the data, the socket and the
// configuration, which it writes anew at every start. The invariant: whoever can connect is the account that
// runs the cluster or the account that runs the server, told apart from others by the kernel. There is no
// password, no TCP port and no other way in.
//
// The cluster runs under an unprivileged account even when the server runs as root. So nothing here writes as
// root into a directory which that account owns: it could plant a link there.
//
// It knows nothing of schemas, roles of the product or pools; see migrations and core/store. It speaks to the
// cluster through its files and signals alone.
package postgres
