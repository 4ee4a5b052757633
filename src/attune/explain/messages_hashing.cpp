#include "attune/explain/messages.h"

namespace attune::explain {

std::span<const Message> hashing_messages() {
  static constexpr Message table[]{
      {"title.lsh", "Attention by hashing (Reformer), every number", "Attention theo băm (Reformer): từng con số",
       "Внимание по хешам (Reformer): каждое число"},
      {"lsh.Wq", "The weights of queries and keys, which are one, learnt.",
       "Trọng số chung của truy vấn và khoá, được học.", "Общие веса запросов и ключей; обучаются."},
      {"lsh.K", "The keys: the queries, all of length 1.", "Khoá: chính các truy vấn, đều có độ dài 1.",
       "Ключи: те же запросы, все длины 1."},
      {"lsh.B",
       "Buckets, counted from 1, a column for each of {0} rounds: in which of the directions of a random rotation, or "
       "opposite ones, a query lies. Queries that are close lie in one bucket more often.",
       "Các ngăn (bucket), đếm từ 1, mỗi cột một vòng trong {0} vòng: truy vấn nằm theo hướng nào của một phép quay "
       "ngẫu "
       "nhiên, hay hướng ngược lại. Các truy vấn gần nhau hay rơi vào cùng một ngăn.",
       "Корзины, считая с 1, по столбцу на каждый из {0} раундов: в каком из направлений случайного поворота, или "
       "противоположном, лежит запрос. Близкие запросы чаще попадают в одну корзину."},
      {"lsh.C",
       "Tokens are sorted by bucket, then by position, and cut into chunks of {1}: a token's chunk in each of {0} "
       "rounds.",
       "Token được sắp theo ngăn rồi theo vị trí, cắt thành các đoạn {1} token: đoạn của mỗi token trong {0} vòng.",
       "Токены сортируются по корзине, затем по позиции, и режутся на куски по {1}: кусок токена в каждом из {0} "
       "раундов."},
      {"lsh.N",
       "In how many rounds a token is shown another: in those where it is in its own chunk or the one before. Itself "
       "it sees only where there is nothing else.",
       "Một token được cho thấy token khác trong mấy vòng: khi token kia ở cùng đoạn hay đoạn trước. Nó chỉ thấy chính "
       "mình khi không còn gì khác.",
       "В скольких раундах токену показан другой: где тот в его куске или в предыдущем. Себя он видит, только если "
       "больше ничего нет."},
      {"lsh.N.causal",
       "In how many rounds a token is shown an earlier one: in those where it is in its own chunk or the one before. "
       "Itself it sees only where there is nothing else.",
       "Một token được cho thấy token đứng trước nó trong mấy vòng: khi token kia ở cùng đoạn hay đoạn trước. Nó chỉ "
       "thấy chính mình khi không còn gì khác.",
       "В скольких раундах токену показан более ранний: где тот в его куске или в предыдущем. Себя он видит, только "
       "если больше ничего нет."},
      {"lsh.N.itself",
       "In how many rounds a token is shown each token that it sees: in those where that one is in its own chunk or "
       "the "
       "one before. Itself it sees in all of them.",
       "Một token được cho thấy mỗi token mà nó thấy trong mấy vòng: khi token kia ở cùng đoạn hay đoạn trước. Chính "
       "mình thì nó thấy trong mọi vòng.",
       "В скольких раундах токену показан каждый видимый ему: где тот в его куске или в предыдущем. Себя он видит во "
       "всех раундах."},
      {"lsh.S", "The scores of what is shown, not divided by √d: a query's length decides how sharp its weights are.",
       "Điểm số của những gì được thấy, không chia cho √d: độ dài của truy vấn quyết định trọng số nhọn đến đâu.",
       "Оценки того, что показано, без деления на √d: острота весов зависит от длины запроса."},
      {"lsh.P",
       "The weights: softmax over all that some round shows, each key once however many rounds show it. The program "
       "merges rounds by their sums.",
       "Trọng số: softmax trên mọi khoá mà một vòng nào đó cho thấy, mỗi khoá tính một lần dù mấy vòng thấy nó. Chương "
       "trình gộp các vòng theo tổng của chúng.",
       "Веса: softmax по всему, что показывает хоть один раунд; каждый ключ один раз, сколько бы раундов его ни "
       "показало. Программа объединяет раунды по их суммам."},
      {"lsh.dQ",
       "A token is moved as a query, by the keys it scored, and as a key, across its direction, since keys keep their "
       "length.",
       "Mỗi token bị kéo với tư cách truy vấn bởi các khoá nó đã chấm điểm, và với tư cách khoá theo hướng vuông góc, "
       "vì khoá giữ nguyên độ dài.",
       "Токен сдвигается как запрос — ключами, с которыми сравнивался, и как ключ — поперёк своего направления, ведь "
       "длина ключей постоянна."},
      {"lsh.dX", "X was used twice, so that its gradient is the sum of two parts.",
       "X được dùng hai lần, nên gradient của nó là tổng của hai phần.",
       "X использовался дважды, поэтому его градиент — сумма двух частей."},
  };
  return table;
}

}  // namespace attune::explain
