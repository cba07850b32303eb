import t from 'tap'
import { missing } from '../servers/program.js'
import { faultsOf, race } from './race/race.js'

const skip = missing('nginx', ['nginx', 'libnginx-mod-stream'])

t.test('loses no request while nginx closes connections', { skip }, async (t) => {
  const direct = await race({ rounds: 3000, width: 14, delay: 0 })
  t.strictSame(faultsOf(direct), [], `${direct.replays} were sent again`)
  t.ok(direct.rounds >= 3000)
  const late = await race({ rounds: 1500, width: 14, delay: 2 })
  t.strictSame(faultsOf(late), [], `${late.replays} were sent again`)
  t.ok(late.replays > 0, 'some requests were replayed')
  // POSTs rarely hit the race, because connections are checked before them: all may succeed.
  t.ok(late.late > 0, 'some requests arrived after the server closed the connection')
  t.ok(late.posts > 0)
})
