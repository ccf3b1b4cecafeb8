package retention

// CrashAt makes the service fail where a crash would be felt.
func (s *Service) CrashAt(step func(string) error) { s.step = step }
