// Command chancery-audit is the auditor's tool: it verifies archives, opens
// them and converts what is inside. It works offline and links no network or
// database code.
//
// Exit codes: 0 ok, 1 internal, 2 complete with exceptions, 3 tampered,
// 4 incomplete, 5 untrusted signer, 6 cannot open, 64 usage.
package main
