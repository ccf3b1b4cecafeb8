// Command chanceryd is the Chancery server: one process that runs its own
// database unless it is given one, and the tools of whoever operates it.
//
// It owns configuration and wiring. It must not hold the organisation's root
// key, nor anything that opens what people wrote.
package main
