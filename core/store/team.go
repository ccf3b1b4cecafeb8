package store

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/core"
	"chancery/core/wire"
	"chancery/identity"
	"chancery/policy"
)

const insertTeam = `INSERT INTO teams (name, title, created_at) VALUES ($1, $2, $3) RETURNING id`

const insertTeamMember = `INSERT INTO team_members (team_id, account_id, rank) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`

// CreateTeam makes a team with its owner.
func (db *DB) CreateTeam(ctx context.Context, g policy.Grant, e core.Event, t wire.NewTeam, owner identity.UserID, now time.Time) (wire.Team, error) {
	team := wire.Team{Name: t.Name, Title: t.Title, Rank: "owner"}
	what := on{policy.TeamCreate, policy.TeamResource, t.Name}
	err := db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, insertTeam, t.Name, t.Title, now).Scan(&team.ID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertTeamMember, team.ID, int64(owner), "owner")
		return err
	})
	if violates(err, "teams_name_unique") {
		err = &core.Error{Op: string(what.action), Kind: core.Conflict, Code: "team.exists", Field: "name", Public: "there is a team of that name"}
	}
	return team, err
}

const teamColumns = `t.id, t.name, t.title, coalesce(m.rank, 'none')`

func scanTeam(row pgx.CollectableRow) (t wire.Team, err error) {
	err = row.Scan(&t.ID, &t.Name, &t.Title, &t.Rank)
	return t, err
}

const selectTeam = `SELECT ` + teamColumns + ` FROM teams t LEFT JOIN team_members m ON m.team_id = t.id AND m.account_id = $2 WHERE t.id = $1`

// Team finds a team, with the account's rank in it.
func (db *DB) Team(ctx context.Context, id int64, account identity.UserID) (wire.Team, bool, error) {
	t, found, err := one(ctx, db.app, scanTeam, selectTeam, id, int64(account))
	if !found {
		t.Rank = "none"
	}
	return t, found, err
}

const selectTeams = `SELECT ` + teamColumns + ` FROM teams t JOIN team_members m ON m.team_id = t.id WHERE m.account_id = $1 ORDER BY t.name`

// Teams are those that the account is in.
func (db *DB) Teams(ctx context.Context, account identity.UserID) ([]wire.Team, error) {
	rows, err := db.app.Query(ctx, selectTeams, int64(account))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanTeam)
}

// AddTeamMember lets an account into a team.
func (db *DB) AddTeamMember(ctx context.Context, g policy.Grant, e core.Event, team int64, account identity.UserID) error {
	what := on{policy.TeamMemberAdd, policy.TeamResource, strconv.FormatInt(team, 10)}
	return db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertTeamMember, team, int64(account), "member")
		return err
	})
}
