package live

import (
	"net/http"

	"github.com/gorilla/websocket"

	"chancery/fips"
)

// upgrade sets FIPS enforcement aside, since the library would otherwise panic
// after it took the connection over, and leak it.
func upgrade(w http.ResponseWriter, r *http.Request) (conn *websocket.Conn, err error) {
	fips.WithoutEnforcement(func() { conn, err = upgrader.Upgrade(w, r, nil) })
	return conn, err
}
