#include "attune/explain/messages.h"

namespace attune::explain {

std::span<const Message> attention_positions_messages() {
  static constexpr Message table[]{
      {"title.attention_positions", "Positions inside attention, every number",
       "Vị trí bên trong attention: từng con số", "Позиции внутри внимания: каждое число"},
      {"attention_positions.introduction",
       "Attention by itself knows nothing of order. Here nothing is added to the tokens: the scores of self-attention "
       "know how far apart query and key are.",
       "Bản thân attention không biết gì về thứ tự. Ở đây không cộng gì vào token: chính điểm số của self-attention "
       "cho "
       "biết query và key cách nhau bao xa.",
       "Само по себе внимание ничего не знает о порядке. Здесь к токенам ничего не прибавляют: оценки самовнимания "
       "сами "
       "зависят от того, как далеко ключ от запроса."},
      {"rotary.Q",
       "What becomes of a vector of ones at each position: each pair of columns is a point (x, y) in the plane, "
       "turned. "
       "Queries and keys go through the same; values do not.",
       "Một vector toàn số 1 trở thành gì ở mỗi vị trí: mỗi cặp cột là một điểm (x, y) trên mặt phẳng, được quay đi. "
       "Query và key đều được quay như vậy; value thì không.",
       "Во что превращается вектор из единиц на каждой позиции: каждая пара столбцов — точка (x, y) плоскости, и её "
       "поворачивают. Так поступают с запросами и ключами, но не со значениями."},
      {"alibi.slopes",
       "The slope of each head, never learnt: with a large one a head looks near, with a small one far.",
       "Độ dốc của mỗi head, không học: dốc lớn thì nhìn gần, dốc nhỏ thì nhìn xa.",
       "Наклон каждой головы, он не обучается: с большим голова смотрит близко, с малым — далеко."},
      {"alibi.bias",
       "What is added to the scores of each head, queries in rows, keys in columns: the farther, the less. A decoder "
       "sees "
       "the lower triangle alone.",
       "Giá trị cộng vào điểm số của mỗi head, hàng là query, cột là key: càng xa càng bị trừ nhiều. Decoder chỉ thấy "
       "nửa tam giác dưới.",
       "Что прибавляется к оценкам каждой головы, в строках запросы, в столбцах ключи: чем дальше, тем меньше. Декодер "
       "видит лишь нижний треугольник."},
      {"relative.first.encoder",
       "The distance at which each bucket of an encoder begins: single distances first, then ever wider ones. As many "
       "again are for keys behind the query.",
       "Khoảng cách mà từ đó mỗi ngăn của encoder bắt đầu: đầu tiên từng khoảng cách một, sau đó rộng dần. Còn chừng "
       "ấy "
       "ngăn nữa dành cho key đứng sau query.",
       "Расстояние, с которого начинается каждая корзина кодировщика: сначала по одному, потом всё шире. Ещё столько "
       "же "
       "корзин — для ключей правее запроса."},
      {"relative.encoder",
       "The bucket of each query (row) and key (column); each head learns a number per bucket, which is added to the "
       "score.",
       "Ngăn của mỗi query (hàng) và key (cột); mỗi head học một số cho mỗi ngăn, số đó được cộng vào điểm số.",
       "Корзина каждого запроса (строка) и ключа (столбец); каждая голова учит по числу на корзину, его прибавляют к "
       "оценке."},
      {"relative.first.decoder", "The same of a decoder, which spends all buckets on the past.",
       "Cũng vậy với decoder, nơi mọi ngăn đều dành cho quá khứ.", "То же у декодера: все корзины отданы прошлому."},
      {"relative.decoder", "The buckets of a decoder; it does not see the keys behind its query.",
       "Các ngăn của decoder; nó không thấy key đứng sau query.",
       "Корзины декодера; ключей правее запроса он не видит."},
      {"offsets.encoder",
       "Which of {0} learnt numbers of a head is added to the score of each query (row) and key (column) in an "
       "encoder; "
       "offsets beyond the table share its last number.",
       "Trong {0} số mà một head học được, số nào được cộng vào điểm số của mỗi query (hàng) và key (cột) ở encoder; "
       "khoảng cách vượt ngoài bảng dùng chung số cuối.",
       "Какое из {0} выученных чисел головы прибавляется к оценке каждого запроса (строка) и ключа (столбец) в "
       "кодировщике; смещениям за пределами таблицы достаётся её последнее число."},
      {"offsets.decoder", "The same in a decoder, which has {0}: it sees the past alone.",
       "Cũng vậy ở decoder, có {0} số: nó chỉ thấy quá khứ.", "То же в декодере, чисел {0}: он видит только прошлое."},
  };
  return table;
}

}  // namespace attune::explain
