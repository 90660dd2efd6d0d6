// Loaded before servers that cannot be told where to listen, and would listen on every address.
const net = require('node:net');

const LOOPBACK = '127.0.0.1';
const { listen } = net.Server.prototype;

net.Server.prototype.listen = function (...given) {
  const [first, second] = given;
  if (first !== null && typeof first === 'object' && 'port' in first) {
    given[0] = { ...first, host: LOOPBACK };
  } else if (first !== undefined && !Number.isNaN(Number(first))) {
    given.splice(1, typeof second === 'string' ? 1 : 0, LOOPBACK);
  }
  return listen.apply(this, given);
};
