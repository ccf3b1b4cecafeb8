package adversary

import (
	"testing"

	"chancery/core/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }
